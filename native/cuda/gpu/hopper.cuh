// TMA, mbarriers and the matrix instructions of warpgroups: sm_90a only. See ptx.cuh for the older instructions.
#pragma once
#include <cuda.h>

#include <gpu/ptx.cuh>

namespace whisper::gpu {

// A matrix in global memory as TMA sees it (cuTensorMapEncodeTiled), made by make_tile_map().
using TileMap = CUtensorMap;

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

// Starts the copy of a box of the matrix whose first element is (row, column), in 128-byte rows with the 128-byte
// swizzle; what lies outside the matrix is zero. `to` is aligned to 1024. The barrier counts its bytes.
GPU_FUNCTION void copy_tile(void* to, const TileMap* map, int column, int row, Barrier* b) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
          shared_address(to)),
      "l"(map), "r"(column), "r"(row), "r"(shared_address(b))
      : "memory");
}

// Before the first product of a group, after registers of its sums were written.
GPU_FUNCTION void warpgroup_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
GPU_FUNCTION void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// The sums may be read when no group is pending.
template <int pending>
GPU_FUNCTION void wait_for_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
}

// Where a factor lies: rows of 128 bytes in groups of 8, 1024 bytes apart, with the 128-byte swizzle.
GPU_FUNCTION uint64_t factor_descriptor(const void* p) {
  return static_cast<uint64_t>((shared_address(p) & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

}  // namespace whisper::gpu
