// Mistakes in the order of threads: barriers that are missing, diverge, or are not barriers at all.
#include "plant.h"

namespace whisper::plants {
namespace {

using namespace gpu;

constexpr unsigned threads = 64;

template <bool planted>
__global__ void barrier_kernel(float* out) {
  SHARED_ARRAY(float, numbers, [threads]);
  numbers[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (!planted) __syncthreads();
  out[threadIdx.x] = numbers[threads - 1 - threadIdx.x];
}

// Who is fast writes the second round over what others have not read of the first.
template <bool planted>
__global__ void second_round_kernel(float* out) {
  SHARED_ARRAY(float, numbers, [threads]);
  const unsigned i = threadIdx.x;
  numbers[i] = static_cast<float>(i);
  __syncthreads();
  const float first = numbers[threads - 1 - i];
  if (!planted) __syncthreads();
  numbers[i] = 100;
  __syncthreads();
  out[i] = first + numbers[(i + 1) % threads];
}

template <bool planted>
__global__ void divergent_kernel(float* out) {
  SHARED_ARRAY(float, numbers, [threads]);
  numbers[threadIdx.x] = 1;
  if (planted && threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  out[threadIdx.x] = numbers[threads - 1 - threadIdx.x];
}

template <bool planted>
__global__ void early_end_kernel(float* out, unsigned n) {
  SHARED_ARRAY(float, numbers, [threads]);
  if (planted && threadIdx.x >= n) return;
  numbers[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x < n) out[threadIdx.x] = numbers[n - 1 - threadIdx.x];
}

template <bool planted>
__global__ void half_warp_kernel(float* out) {
  float x = 1;
  if (!planted || threadIdx.x % 32 < 16) x += __shfl_xor_sync(0xffffffffu, x, 1);
  out[threadIdx.x] = x;
}

template <bool planted>
__global__ void masked_kernel(float* out) {
  out[threadIdx.x] = __shfl_xor_sync(planted ? 0xffffu : 0xffffffffu, 1.0f, 1);
}

// Both halves shuffle, but not with one another.
template <bool planted>
__global__ void two_shuffles_kernel(float* out) {
  float x = 1;
  if (planted && threadIdx.x % 32 < 16)
    x = __shfl_xor_sync(0xffffffffu, x, 1);
  else
    x = __shfl_xor_sync(0xffffffffu, x, 1);
  out[threadIdx.x] = x;
}

// All lanes have arrived at a shuffle when it returns, but what they wrote before need not be there.
template <bool planted>
__global__ void shuffle_as_fence_kernel(float* out) {
  SHARED_ARRAY(float, numbers, [32]);
  numbers[threadIdx.x] = 2;
  const float one = __shfl_xor_sync(0xffffffffu, 1.0f, 1);
  if (!planted) __syncwarp();
  out[threadIdx.x] = numbers[threadIdx.x ^ 1] * one;
}

template <bool planted>
__global__ void blocks_kernel(float* out) {
  if (threadIdx.x == 0) out[planted ? 0 : blockIdx.x] += 1;
}

// An mbarrier that waits for one more arrival than there is.
template <bool planted>
__global__ void deadlock_kernel(float* out) {
  Shared shared;
  Barrier* const barrier = shared.take<Barrier>(1);
  if (threadIdx.x == 0) barrier_init(barrier, planted ? threads + 1 : threads);
  __syncthreads();
  barrier_arrive(barrier);
  barrier_wait(barrier, 0);
  out[threadIdx.x] = 1;
}

template <bool planted>
__global__ void uninitialised_barrier_kernel(float* out) {
  Shared shared;
  Barrier* const barrier = shared.take<Barrier>(1);
  if (!planted && threadIdx.x == 0) barrier_init(barrier, threads);
  __syncthreads();
  barrier_arrive(barrier);
  barrier_wait(barrier, 0);
  out[threadIdx.x] = 1;
}

}  // namespace

#define RACE "WARNING: ThreadSanitizer: data race"

PLANT(missing_barrier, wrong, everywhere, nullptr, RACE) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, barrier_kernel<true>, barrier_kernel<false>, out.data());
  for (size_t i = 0; i < threads; ++i) expect(i, out[i], static_cast<double>(threads - 1 - i));
}

PLANT(missing_barrier_before_second_round, wrong, everywhere, nullptr, RACE) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, second_round_kernel<true>, second_round_kernel<false>, out.data());
  for (size_t i = 0; i < threads; ++i) expect(i, out[i], static_cast<double>(threads - 1 - i + 100));
}

PLANT(divergent_barrier, ": __syncthreads() while others wait in that of", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, divergent_kernel<true>, divergent_kernel<false>, out.data());
  expect(0, out[0], 1);
}

PLANT(end_before_barrier, "__syncthreads()", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, early_end_kernel<true>, early_end_kernel<false>, out.data(), 60u);
  expect(59, out[59], 1);
}

PLANT(half_warp_shuffle, "a shuffle", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, half_warp_kernel<true>, half_warp_kernel<false>, out.data());
  expect(40, out[40], 2);
}

PLANT(shuffle_of_part_of_a_warp, "a shuffle of part of a warp, mask 0000ffff", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, masked_kernel<true>, masked_kernel<false>, out.data());
  expect(40, out[40], 1);
}

PLANT(two_shuffles, "a shuffle, while other lanes of the warp are at a shuffle of", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, two_shuffles_kernel<true>, two_shuffles_kernel<false>, out.data());
  expect(40, out[40], 1);
}

PLANT(shuffle_as_fence, nullptr, nowhere, nullptr, RACE) {
  std::vector<float> out(32);
  run(planted, {.threads = 32}, shuffle_as_fence_kernel<true>, shuffle_as_fence_kernel<false>, out.data());
  expect(5, out[5], 2);
}

PLANT(two_blocks_write_one_address, nullptr, nowhere, nullptr, RACE) {
  std::vector<float> out(2);
  run(planted, {.x = 2, .threads = 32}, blocks_kernel<true>, blocks_kernel<false>, out.data());
  expect(0, out[0] + out[1], 2);
}

PLANT(deadlock, "deadlock: waits in a wait for an mbarrier", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = sizeof(Barrier)}, deadlock_kernel<true>, deadlock_kernel<false>,
      out.data());
  expect(0, out[0], 1);
}

PLANT(mbarrier_without_init, "is used before barrier_init", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = sizeof(Barrier)}, uninitialised_barrier_kernel<true>,
      uninitialised_barrier_kernel<false>, out.data());
  expect(0, out[0], 1);
}

}  // namespace whisper::plants
