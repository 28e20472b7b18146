// Mistakes in the use of memory: beyond arrays, before they are written, in the wrong place or too early.
#include "plant.h"

namespace whisper::plants {
namespace {

using namespace gpu;

constexpr unsigned threads = 64;

template <bool planted>
__global__ void global_kernel(float* out, const float* in, unsigned n) {
  const unsigned i = threadIdx.x;
  const float x = planted || i < n ? in[i] : 1;
  const float other = __shfl_xor_sync(0xffffffffu, x, 1);
  if (i < n) out[i] = other;
}

template <bool planted>
__global__ void static_kernel(float* out) {
  SHARED_ARRAY(float, numbers, [threads]);
  numbers[threadIdx.x + (planted ? 1 : 0)] = 1;
  __syncthreads();
  out[threadIdx.x] = planted && threadIdx.x == 0 ? 1 : numbers[threadIdx.x];
}

template <bool planted>
__global__ void dynamic_kernel(float* out) {
  Shared shared;
  float* const numbers = shared.take<float>(threads);
  numbers[threadIdx.x + (planted ? 1 : 0)] = 1;
  __syncthreads();
  out[threadIdx.x] = planted && threadIdx.x == 0 ? 1 : numbers[threadIdx.x];
}

template <bool planted>
__global__ void uninitialised_kernel(float* out) {
  SHARED_ARRAY(float, numbers, [threads]);
  if (!planted || threadIdx.x < 32) numbers[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = numbers[threadIdx.x];
}

template <bool planted>
__global__ void misaligned_kernel(float* out, const float* in) {
  const uint4 four = load16(in + 4 * threadIdx.x + (planted ? 1 : 0));
  out[threadIdx.x] = static_cast<float>(four.x);
}

template <bool planted>
__global__ void taken_kernel(float* out) {
  Shared shared;
  float* const numbers = shared.take<float>(threads + (planted ? 1 : 0));
  numbers[threadIdx.x] = 1;
  out[threadIdx.x] = numbers[threadIdx.x];
}

template <bool planted>
__global__ void copy_kernel(float* out, const float* in) {
  Shared shared;
  float* const numbers = shared.take<float>(4 * threads);
  copy_async16(numbers + 4 * threadIdx.x, in + 4 * threadIdx.x);
  commit_copies();
  if (!planted) wait_for_copies<0>();
  out[threadIdx.x] = numbers[4 * threadIdx.x];
  if (planted) wait_for_copies<0>();
}

template <bool planted>
__global__ void abandoned_copy_kernel(float* out, const float* in) {
  Shared shared;
  float* const numbers = shared.take<float>(4 * threads);
  copy_async16(numbers + 4 * threadIdx.x, in + 4 * threadIdx.x);
  commit_copies();
  if (!planted) wait_for_copies<0>();
  out[threadIdx.x] = 1;
}

// A wait for copies is for those of the thread; others see them behind a barrier.
template <bool planted>
__global__ void copy_of_others_kernel(float* out, const float* in) {
  Shared shared;
  float* const numbers = shared.take<float>(4 * threads);
  copy_async16(numbers + 4 * threadIdx.x, in + 4 * threadIdx.x);
  commit_copies();
  wait_for_copies<0>();
  if (!planted) __syncthreads();
  out[threadIdx.x] = numbers[4 * (threads - 1 - threadIdx.x)];
}

// Rows of 128 bytes: without the swizzle the 8 rows of a matrix lie in the same banks.
template <bool planted>
__global__ void swizzle_kernel(uint32_t* out) {
  Shared shared;
  uint16_t* const tile = shared.take<uint16_t>(32 * 64);
  const unsigned row = threadIdx.x;
  for (unsigned chunk = 0; chunk < 8; ++chunk)
    store16(tile + row * 64 + (planted ? chunk : chunk ^ row % 8) * 8, {row, chunk, 0, 0});
  __syncwarp();
  uint32_t fragment[4];
  for (unsigned chunk = 0; chunk < 8; ++chunk)
    ldmatrix(fragment, tile + row * 64 + (planted ? chunk : chunk ^ row % 8) * 8);
  out[threadIdx.x] = fragment[0];
}

const std::vector<float> ones(4 * threads + 4, 1.0f);

}  // namespace

#define OVERFLOW "ERROR: AddressSanitizer: heap-buffer-overflow"

PLANT(global_read_past_the_end, nullptr, nowhere, OVERFLOW, nullptr) {
  const std::vector<float> in(60, 1.0f);
  std::vector<float> out(60);
  run(planted, {.threads = threads}, global_kernel<true>, global_kernel<false>, out.data(), in.data(), 60u);
  expect(59, out[59], 1);
}

PLANT(static_shared_past_the_end, "static shared array number 0 was written beyond its 256 bytes", everywhere,
      "out of bounds for type 'float [64]'", nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, static_kernel<true>, static_kernel<false>, out.data());
  expect(9, out[9], 1);
}

PLANT(dynamic_shared_past_the_end, "dynamic shared array number 0 was written beyond its 256 bytes", everywhere,
      OVERFLOW, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = threads * sizeof(float)}, dynamic_kernel<true>, dynamic_kernel<false>,
      out.data());
  expect(9, out[9], 1);
}

PLANT(uninitialised_shared_memory, wrong, everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads}, uninitialised_kernel<true>, uninitialised_kernel<false>, out.data());
  expect(40, out[40], 1);
}

PLANT(misaligned_load, ": load16: address", everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  alignas(16) static float in[4 * threads + 4];
  run(planted, {.threads = threads}, misaligned_kernel<true>, misaligned_kernel<false>, out.data(),
      static_cast<const float*>(in));
  expect(40, out[40], 0);
}

PLANT(more_shared_memory_than_launched_with, "Shared::take number 0: 260 bytes are taken, the launch asked for 256",
      everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = threads * sizeof(float)}, taken_kernel<true>, taken_kernel<false>,
      out.data());
  expect(40, out[40], 1);
}

PLANT(more_shared_memory_than_there_is, "233472 bytes of dynamic shared memory, more than 227 KB", everywhere, nullptr,
      nullptr) {
  emulator::launch(
      "plant", {.threads = 32, .shared = (planted ? 228u : 227u) * 1024}, [](void*) {}, nullptr);
}

PLANT(grid_too_large, "a grid of 1 x 65536 x 1 blocks", everywhere, nullptr, nullptr) {
  emulator::launch(
      "plant", {.y = planted ? 65536 : 2, .threads = 32}, [](void*) {}, nullptr);
}

PLANT(missing_wait_for_copies, wrong, everywhere, nullptr, nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = 16 * threads}, copy_kernel<true>, copy_kernel<false>, out.data(),
      ones.data());
  expect(9, out[9], 1);
}

PLANT(copies_never_waited_for, "ends with 1 asynchronous copies that it has not waited for", everywhere, nullptr,
      nullptr) {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = 16 * threads}, abandoned_copy_kernel<true>, abandoned_copy_kernel<false>,
      out.data(), ones.data());
  expect(9, out[9], 1);
}

PLANT(copies_of_others_without_barrier, wrong, everywhere, nullptr, "WARNING: ThreadSanitizer: data race") {
  std::vector<float> out(threads);
  run(planted, {.threads = threads, .shared = 16 * threads}, copy_of_others_kernel<true>, copy_of_others_kernel<false>,
      out.data(), ones.data());
  for (size_t i = 0; i < threads; ++i) expect(i, out[i], 1);
}

PLANT(removed_swizzle, wrong, everywhere, nullptr, nullptr) {
  std::vector<uint32_t> out(32);
  const auto counted = emulator::counted([&] {
    run(planted, {.threads = 32, .shared = 32 * 128}, swizzle_kernel<true>, swizzle_kernel<false>, out.data());
  });
  expect(0, static_cast<double>(counted.ldmatrix), 8);
  expect(1, static_cast<double>(counted.bank_conflicts), 0);
}

}  // namespace whisper::plants
