// TMA, mbarriers and the matrix instructions of warpgroups: sm_90a only. See ptx.cuh for the older instructions.
#pragma once
#include <cuda.h>

#include <gpu/ptx.cuh>

namespace whisper::gpu {

// A matrix in global memory as TMA sees it, and the boxes that copy_tile copies of it. A kernel takes it as a
// parameter, const __grid_constant__ TileMap.
using TileMap = CUtensorMap;

// Of a matrix of 16-bit elements, row r at address + r·stride, in boxes of box_rows rows, at most 256, and box_columns
// columns. The address is aligned to 16 bytes, and so is the stride, which is in elements. Errors name the operation.
TileMap make_tile_map(const char* op, const void* address, int64_t columns, int64_t rows, int64_t stride, int box_rows);
constexpr int box_columns = 64;  // 128 bytes, the width of the swizzle

// A barrier in shared memory that counts arrivals of threads and bytes of copies. Its phases alternate in parity.
using Barrier = unsigned long long;
GPU_FUNCTION void barrier_init(Barrier* b, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(arrivals) : "memory");
}
// After the last barrier_init, before the __syncthreads() that shows them to the block.
GPU_FUNCTION void barrier_init_fence() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
// Arrives, and has this phase wait for so many bytes of copies as well.
GPU_FUNCTION void barrier_expect(Barrier* b, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)), "r"(bytes)
               : "memory");
}
GPU_FUNCTION void barrier_arrive(Barrier* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
// Returns when the phase of this parity has ended.
GPU_FUNCTION void barrier_wait(Barrier* b, int parity) {
  asm volatile(
      "{\n.reg .pred done;\nwait:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@!done bra wait;\n}" ::"r"(
          shared_address(b)),
      "r"(parity)
      : "memory");
}

// Starts the copy of the box whose first element is (row, column): rows of 128 bytes behind each other, whose 16-byte
// chunks are swizzled (bits 4-6 of an address are XORed with bits 7-9). What lies outside the matrix is zero, and is
// counted by the barrier as well. `to` is aligned to 1024. One thread starts it.
GPU_FUNCTION void copy_tile(void* to, const TileMap* map, int column, int row, Barrier* b) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          shared_address(to)),
      "l"(map), "r"(column), "r"(row), "r"(shared_address(b))
      : "memory");
}

// Registers a thread of this warpgroup may use from here on: a multiple of 8, 24 to 256. What one warpgroup gives back,
// another waits for. All four warps execute it.
template <int registers>
GPU_FUNCTION void give_back_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
}
template <int registers>
GPU_FUNCTION void ask_for_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
}

// The way in which boxes in shared memory hold a factor of a warpgroup's product, here the A[64, 16] of D += A·B:
//
//     Major::K    a row of the box is a row of A, its 64 columns are steps of k: 16 steps further is 32 bytes further
//     Major::MN   a row of the box is a step of k, its 64 columns are rows of A: 16 steps further is 16·128 bytes
//     further
//
// and B[16, n] likewise, with columns of B for rows of A.
enum class Major { K, MN };

// Of a factor of f16 or bf16 in boxes that copy_tile made. A Major::MN factor of more than 64 rows goes on in the box
// `next_box` bytes further. PTX ISA, "Matrix Descriptor Format" and "Strides": bits 0-13 have the address, 16-29 the
// leading dimension's byte offset, 32-45 the stride dimension's, all in 16 bytes, and 62-63 a 1 for the swizzle of 128
// bytes. With it the stride dimension's offset leads from 8 rows of a box to the next 8, in either major. The leading
// dimension's leads to the next 64 rows of a Major::MN factor, and means nothing for Major::K, whose 16 steps of k
// always lie within 128 bytes.
template <Major major>
GPU_FUNCTION uint64_t factor_descriptor(const void* p, int next_box = 16) {
  const uint64_t leading = major == Major::MN ? next_box >> 4 : 1, stride = 8 * 128 >> 4;
  return (shared_address(p) & 0x3ffff) >> 4 | leading << 16 | stride << 32 | uint64_t{1} << 62;
}

// The compiler takes registers for ready that an asynchronous product writes, or still reads: this holds what is done
// to them on its side of the line.
template <int count>
GPU_FUNCTION void pin(float (&sums)[count]) {
#pragma unroll
  for (int i = 0; i < count; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}

// Before the first product of a group, after registers of its sums were written.
template <int count>
GPU_FUNCTION void warpgroup_fence(float (&sums)[count]) {
  pin(sums);
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
// Ends a group of products; waits until at most `pending` of the latest groups go on. The boxes of the others may then
// be overwritten, and their sums read unless a group that goes on adds to them.
GPU_FUNCTION void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int pending, int count>
GPU_FUNCTION void wait_for_products(float (&sums)[count]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
  pin(sums);
}

#define WHISPER_SUMS_128                                             \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"           \
  "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31," \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47," \
  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
#define WHISPER_SUMS_256                                                         \
  "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"                       \
  "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"             \
  "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"             \
  "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"             \
  "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"             \
  "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,"             \
  "%96,%97,%98,%99,%100,%101,%102,%103,%104,%105,%106,%107,%108,%109,%110,%111," \
  "%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125,%126,%127"
#define WHISPER_SUMS_8(d, i)                                                                                  \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), \
      "+f"(d[i + 7])
#define WHISPER_SUMS_32(d, i) \
  WHISPER_SUMS_8(d, i), WHISPER_SUMS_8(d, i + 8), WHISPER_SUMS_8(d, i + 16), WHISPER_SUMS_8(d, i + 24)
#define WHISPER_SUMS_64(d, i) WHISPER_SUMS_32(d, i), WHISPER_SUMS_32(d, i + 32)
#define WHISPER_WGMMA_128(types)                                                          \
  asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32." types " {" WHISPER_SUMS_128 \
               "}, %64, %65, 1, 1, 1, %66, %67;"                                          \
               : WHISPER_SUMS_64(d, 0)                                                    \
               : "l"(a), "l"(b), "n"(a_major == Major::MN), "n"(b_major == Major::MN))
#define WHISPER_WGMMA_256(types)                                                          \
  asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32." types " {" WHISPER_SUMS_256 \
               "}, %128, %129, 1, 1, 1, %130, %131;"                                      \
               : WHISPER_SUMS_64(d, 0), WHISPER_SUMS_64(d, 64)                            \
               : "l"(a), "l"(b), "n"(a_major == Major::MN), "n"(b_major == Major::MN))

// Starts D[64, n] += A[64, 16]·B[16, n] by a warpgroup, n = 2·count of 128 or 256, factors of T, f16 or bf16, sums in
// f32. Of d, d[4j + 2h + e] is in row 16·(warp % 4) + lane / 4 + 8h and column 8j + 2·(lane % 4) + e.
template <class T, Major a_major, Major b_major, int count>
GPU_FUNCTION void warpgroup_mma(float (&d)[count], uint64_t a, uint64_t b) {
  static_assert(count == 64 || count == 128);
  if constexpr (count == 64) {
    if constexpr (std::is_same_v<T, bf16>)
      WHISPER_WGMMA_128("bf16.bf16");
    else
      WHISPER_WGMMA_128("f16.f16");
  } else {
    if constexpr (std::is_same_v<T, bf16>)
      WHISPER_WGMMA_256("bf16.bf16");
    else
      WHISPER_WGMMA_256("f16.f16");
  }
}

#undef WHISPER_SUMS_128
#undef WHISPER_SUMS_256
#undef WHISPER_SUMS_8
#undef WHISPER_SUMS_32
#undef WHISPER_SUMS_64
#undef WHISPER_WGMMA_128
#undef WHISPER_WGMMA_256

}  // namespace whisper::gpu
