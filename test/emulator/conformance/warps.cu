// Conformance of launch.cuh and ptx.cuh: shared memory, shuffles and votes, atomics, matrices and asynchronous copies.
#include <gpu/ptx.cuh>

#include "conformance.h"

namespace whisper::conformance {
namespace {

using namespace gpu;

// Eight words of each of 64 threads.
__global__ void shuffles_kernel(uint32_t* out, const uint32_t* in) {
  const uint32_t x = in[threadIdx.x];
  const int lane = static_cast<int>(threadIdx.x % 32);
  uint32_t* const mine = out + threadIdx.x * 8;
  mine[0] = __shfl_sync(0xffffffffu, x, 11);
  mine[1] = __shfl_sync(0xffffffffu, x, (lane * 7 + 3) % 32);
  mine[2] = __shfl_xor_sync(0xffffffffu, x, 16);
  mine[3] = __shfl_xor_sync(0xffffffffu, x, 1);
  mine[4] = __shfl_up_sync(0xffffffffu, x, 5);
  mine[5] = __shfl_down_sync(0xffffffffu, x, 5);
  mine[6] = __ballot_sync(0xffffffffu, static_cast<int>(x & 1));
  mine[7] = static_cast<uint32_t>(__any_sync(0xffffffffu, x % 64 == 0) != 0) +
            2u * static_cast<uint32_t>(__popc(static_cast<int>(x)));
}

// Where an array lies in shared memory is its own affair; that it is aligned and apart from the others is not.
__global__ void shared_kernel(uint32_t* out, const uint32_t* in) {
  SHARED_ARRAY(uint32_t, transposed, [8][9]);
  Shared shared;
  auto* const halves = shared.take<uint16_t>(65);
  auto* const words = shared.take<uint32_t>(64, 16);
  auto* const wide = shared.take<uint32_t>(64, 1024);
  const unsigned i = threadIdx.x;
  transposed[i % 8][i / 8] = in[i];
  halves[i] = static_cast<uint16_t>(in[i]);
  words[i] = in[i] + 1;
  wide[i] = in[i] + 2;
  __syncthreads();
  uint32_t* const mine = out + i * 5;
  mine[0] = transposed[i / 8][i % 8];
  mine[1] = halves[63 - i];
  mine[2] = words[63 - i];
  mine[3] = wide[63 - i];
  const auto odd = [](const void* p, unsigned alignment) { return reinterpret_cast<uintptr_t>(p) % alignment != 0; };
  mine[4] = odd(transposed, 16) + 2 * odd(halves, 128) + 4 * odd(words, 16) + 8 * odd(wide, 1024);
}

// The blocks add to the same numbers, and exchange numbers of which only the first to come finds what it expects.
__global__ void atomics_kernel(int* out, const uint32_t* in) {
  const uint32_t x = in[blockIdx.x * 64 + threadIdx.x];
  atomicAdd(&out[x % 8], static_cast<int>(x >> 16));
  if (threadIdx.x % 3 == 0) atomicCAS(&out[8 + threadIdx.x], 0, static_cast<int>(threadIdx.x) + 1);
  if (threadIdx.x == 0) {
    const int first = atomicCAS(&out[73 + blockIdx.x], 0, 5), second = atomicCAS(&out[73 + blockIdx.x], 5, 9);
    atomicAdd(&out[72], 16 * first + second);
  }
}

// Four registers as they are and four transposed; rows lie in another order than the lanes.
__global__ void matrices_kernel(uint32_t* out, const uint32_t* in) {
  Shared shared;
  auto* const tile = shared.take<uint32_t>(32 * 4);
  for (unsigned i = threadIdx.x; i < 128; i += 32) tile[i] = in[i];
  __syncwarp();
  const unsigned row = (threadIdx.x * 13 + 5) % 32;
  uint32_t straight[4], transposed[4];
  ldmatrix(straight, tile + row * 4);
  ldmatrix_transposed(transposed, tile + row * 4);
  for (int i = 0; i < 4; ++i) {
    out[threadIdx.x * 8 + i] = straight[i];
    out[threadIdx.x * 8 + 4 + i] = transposed[i];
  }
}

// D[16, 8] = C + A[16, 16]·B[8, 16]ᵀ, one in each block.
template <class T>
__global__ void product_kernel(float* d, const float* c, const T* a, const T* b) {
  const unsigned row = threadIdx.x / 4, column = threadIdx.x % 4 * 2, matrix = blockIdx.x * 128;
  const T* const a_row = a + blockIdx.x * 256 + row * 16 + column;
  const T* const b_row = b + matrix + row * 16 + column;
  const uint32_t fragment[4] = {load4(a_row), load4(a_row + 8 * 16), load4(a_row + 8), load4(a_row + 8 * 16 + 8)};
  const unsigned upper = matrix + row * 8 + column, lower = upper + 8 * 8;
  float sums[4] = {c[upper], c[upper + 1], c[lower], c[lower + 1]};
  mma<T>(sums, fragment, load4(b_row), load4(b_row + 8));
  d[upper] = sums[0], d[upper + 1] = sums[1];
  d[lower] = sums[2], d[lower + 1] = sums[3];
}

// Of 0 to 16 and of 0 to 4 bytes, into memory that holds something else; the first is waited for while the second may
// be on the way.
__global__ void copies_kernel(uint32_t* out, const uint32_t* in) {
  Shared shared;
  auto* const tile = shared.take<uint32_t>(32 * 8);
  const unsigned i = threadIdx.x;
  for (unsigned k = 0; k < 8; ++k) tile[8 * i + k] = 0x12345678;
  copy_async16(tile + 8 * i, in + 8 * i, static_cast<int>(i % 17));
  commit_copies();
  copy_async4(tile + 8 * i + 5, in + 8 * i + 5, static_cast<int>(i % 5));
  commit_copies();
  wait_for_copies<1>();
  for (unsigned k = 0; k < 4; ++k) out[8 * i + k] = tile[8 * i + k];
  wait_for_copies<0>();
  for (unsigned k = 4; k < 8; ++k) out[8 * i + k] = tile[8 * i + k];
}

template <class T>
Result products(Device& device) {
  constexpr size_t blocks = 16;
  const auto a = random_factors<T>(blocks * 256, 11), b = random_factors<T>(blocks * 128, 12);
  const auto c = random_numbers(blocks * 128, 13);
  const Array<T> a_array(device, a), b_array(device, b);
  const Array<float> c_array(device, c), d_array(device, c.size());
  launch(device, "mma", {.x = blocks, .threads = 32}, product_kernel<T>, d_array.get(), c_array.get(), a_array.get(),
         b_array.get());
  std::vector<float> allowed(c.size());
  for (size_t i = 0; i < c.size(); ++i) {
    const T* const a_row = &a[i / 8 * 16];
    const T* const b_row = &b[i / 128 * 128 + i % 8 * 16];
    double sum = std::abs(c[i]);
    for (int k = 0; k < 16; ++k) sum += std::abs(number_of(a_row[k]) * number_of(b_row[k]));
    allowed[i] = static_cast<float>(sum_tolerance * sum);
  }
  return {d_array.words(), allowed};
}

}  // namespace

CONFORMS(shuffles_and_votes) {
  const Array<uint32_t> in(device, random_words(64, 1)), out(device, 64 * 8);
  launch(device, "shuffles", {.threads = 64}, shuffles_kernel, out.get(), in.get());
  return {out.words()};
}

CONFORMS(shared_memory) {
  const Array<uint32_t> in(device, random_words(64, 2)), out(device, 64 * 5);
  launch(device, "shared memory", {.threads = 64, .shared = 2048}, shared_kernel, out.get(), in.get());
  return {out.words()};
}

CONFORMS(atomics) {
  const Array<uint32_t> in(device, random_words(16 * 64, 3));
  const Array<int> out(device, 96);
  launch(device, "atomics", {.x = 16, .threads = 64}, atomics_kernel, out.get(), in.get());
  return {out.words()};
}

CONFORMS(matrices_of_shared_memory) {
  const Array<uint32_t> in(device, random_words(128, 4)), out(device, 32 * 8);
  launch(device, "ldmatrix", {.threads = 32, .shared = 512}, matrices_kernel, out.get(), in.get());
  return {out.words()};
}

CONFORMS(products_of_f16) { return products<f16>(device); }
CONFORMS(products_of_bf16) { return products<bf16>(device); }

CONFORMS(asynchronous_copies) {
  const Array<uint32_t> in(device, random_words(32 * 8, 5)), out(device, 32 * 8);
  launch(device, "cp.async", {.threads = 32, .shared = 1024}, copies_kernel, out.get(), in.get());
  return {out.words()};
}

}  // namespace whisper::conformance
