// The emulator against plain C++: what a kernel sees of its place, shared memory, shuffles, votes, matrices, copies.
#include "emulator.h"

#include <gpu/ptx.cuh>
#include <numeric>
#include <vector>

#include "../native/test.h"
#include "core/random.h"
#include "machine/schedule.h"

namespace whisper::test {
namespace {

using namespace gpu;

// Runs a kernel on an emulated device that the test needs for nothing else.
template <class... P, class... A>
void run(const Grid& grid, void (*kernel)(P...), A... arguments) {
  Device device(0);
  launch(device, "a test", grid, kernel, arguments...);
}

__global__ void places_kernel(int* out) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  out[block * blockDim.x + threadIdx.x] += static_cast<int>(block * 1000 + threadIdx.x);
}

// Every thread's number travels round the block through shared memory, one place in each turn.
__global__ void round_kernel(int* out, int turns) {
  SHARED_ARRAY(int, now, [96]);
  Shared shared;
  int* const next = shared.take<int>(96);
  const unsigned i = threadIdx.x;
  now[i] = static_cast<int>(i);
  for (int turn = 0; turn < turns; ++turn) {
    __syncthreads();
    next[(i + 1) % 96] = now[i];
    __syncthreads();
    now[i] = next[i];
  }
  out[blockIdx.x * 96 + i] = now[i];
}

__global__ void shuffles_kernel(int* out) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  int* const mine = out + threadIdx.x * 6;
  mine[0] = __shfl_sync(~0u, lane, 7);
  mine[1] = __shfl_xor_sync(~0u, lane, 5);
  mine[2] = __shfl_up_sync(~0u, lane, 3);
  mine[3] = __shfl_down_sync(~0u, lane, 3);
  mine[4] = static_cast<int>(__ballot_sync(~0u, lane % 3 == 0));
  mine[5] = __any_sync(~0u, lane == 31) + 2 * __any_sync(~0u, lane == 32);
}

__global__ void sum_kernel(float* out, const float* in) {
  float sum = in[blockIdx.x * 32 + threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(~0u, sum, distance);
  out[blockIdx.x * 32 + threadIdx.x] = sum;
}

// D[16, 8] = A[16, 16]·B[8, 16]ᵀ; B by rows, or, transposed, as it lies in memory by columns.
template <class T, bool transposed>
__global__ void product_kernel(float* d, const T* a, const T* b) {
  Shared shared;
  T* const tile = shared.take<T>(16 * 16);
  T* const other = shared.take<T>(16 * 16);
  const unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
  for (unsigned i = lane; i < 256; i += 32) {
    tile[i] = a[i];
    other[i] = i < 128 ? b[i] : T{};
  }
  __syncwarp();
  // Matrices 0 to 3 are the upper left, lower left, upper right and lower right quarter of A.
  uint32_t x[4], y[4];
  ldmatrix(x, tile + lane % 16 * 16 + lane / 16 * 8);
  if (transposed)  // B is [16, 8]: two matrices below one another
    ldmatrix_transposed(y, other + lane % 16 * 8);
  else
    ldmatrix(y, other + lane % 8 * 16 + lane / 8 % 2 * 8);
  float sums[4] = {1, 2, 3, 4};
  mma<T>(sums, x, y[0], y[1]);
  for (unsigned i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = sums[i];
}

// Two groups of copies on the way, and of the last only 6 bytes.
__global__ void copies_kernel(uint16_t* out, const uint16_t* in) {
  Shared shared;
  auto* const tile = shared.take<uint16_t>(2 * 32 * 8);
  uint16_t* const mine = tile + threadIdx.x * 16;
  const uint16_t* const source = in + threadIdx.x * 16;
  copy_async16(mine, source);
  commit_copies();
  copy_async16(mine + 8, source + 8, 6);
  commit_copies();
  out[threadIdx.x * 17] = mine[0];  // too early: NaN
  wait_for_copies<1>();
  for (int i = 0; i < 8; ++i) out[threadIdx.x * 17 + 1 + i] = mine[i];
  wait_for_copies<0>();
  for (int i = 8; i < 16; ++i) out[threadIdx.x * 17 + 1 + i] = mine[i];
}

template <class T>
std::vector<T> random_factor(int n, uint64_t seed) {
  std::vector<T> values(static_cast<size_t>(n));
  const Philox random(seed);
  for (int i = 0; i < n; ++i) gpu::store(&values[static_cast<size_t>(i)], random.normal(static_cast<uint64_t>(i)));
  return values;
}

template <class T, bool transposed>
void check_product() {
  const auto a = random_factor<T>(256, 1), b = random_factor<T>(128, 2);
  std::vector<float> d(128);
  run({.threads = 32, .shared = 1024}, product_kernel<T, transposed>, d.data(), a.data(), b.data());
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      double sum = 1 + i / 8 * 2 + j % 2, size = sum;
      for (int k = 0; k < 16; ++k) {
        const double product = double{to_float(a[static_cast<size_t>(i * 16 + k)])} *
                               to_float(b[static_cast<size_t>(transposed ? k * 8 + j : j * 16 + k)]);
        sum += product;
        size += std::abs(product);
      }
      CHECK(std::abs(d[static_cast<size_t>(i * 8 + j)] - sum) <= size * 16 * 0x1p-24);
    }
}

template <class F>
void in_every_schedule(F&& f) {
  const auto before = emulator::schedule;
  for (const char* name : {"lowest", "highest", "random", "random:7", "turns"}) {
    emulator::schedule = emulator::parse_schedule(name);
    f();
  }
  emulator::schedule = before;
}

}  // namespace

TEST(emulator_numbers_threads_and_blocks) {
  std::vector<int> out(2 * 3 * 4 * 64, 7);
  run({.x = 2, .y = 3, .z = 4, .threads = 64}, places_kernel, out.data());
  for (int i = 0; i < static_cast<int>(out.size()); ++i)
    CHECK(out[static_cast<size_t>(i)] == 7 + i / 64 * 1000 + i % 64);
}

TEST(emulator_shared_memory_race) {
  for (const int turns : {0, 1, 20}) {
    std::vector<int> out(3 * 96);
    run({.x = 3, .threads = 96, .shared = 96 * sizeof(int)}, round_kernel, out.data(), turns);
    for (int i = 0; i < 3 * 96; ++i) CHECK(out[static_cast<size_t>(i)] == (i % 96 - turns + 96) % 96);
  }
}

TEST(emulator_shuffles_and_votes) {
  std::vector<int> out(64 * 6);
  run({.threads = 64}, shuffles_kernel, out.data());
  int thirds = 0;
  for (int lane = 0; lane < 32; lane += 3) thirds |= 1 << lane;
  for (int i = 0; i < 64; ++i) {
    const int lane = i % 32, *const mine = &out[static_cast<size_t>(i) * 6];
    CHECK(mine[0] == 7 && mine[1] == (lane ^ 5));
    CHECK(mine[2] == (lane < 3 ? lane : lane - 3) && mine[3] == (lane > 28 ? lane : lane + 3));
    CHECK(mine[4] == thirds && mine[5] == 1);
  }
}

TEST(emulator_sums_by_shuffles_are_equal_in_all_lanes) {
  std::vector<float> in(3 * 32), out(in.size());
  std::iota(in.begin(), in.end(), 1.0f);
  run({.x = 3, .threads = 32}, sum_kernel, out.data(), in.data());
  for (size_t i = 0; i < out.size(); ++i) CHECK(out[i] == 32 * (16.5f + 32 * static_cast<float>(i / 32)));
}

TEST(emulator_products) {
  check_product<f16, false>();
  check_product<f16, true>();
  check_product<bf16, false>();
  check_product<bf16, true>();
}

TEST(emulator_copies_land_late_race) {
  std::vector<uint16_t> in(32 * 16), out(32 * 17);
  std::iota(in.begin(), in.end(), uint16_t{1});
  run({.threads = 32, .shared = 1024}, copies_kernel, out.data(), in.data());
  for (size_t i = 0; i < out.size(); ++i) {
    const size_t part = i % 17;
    const uint16_t expected = part == 0 ? 0xffff : part > 8 + 3 ? 0 : in[i / 17 * 16 + part - 1];
    CHECK(out[i] == expected);
  }
}

TEST(emulator_results_do_not_depend_on_the_schedule) {
  in_every_schedule([] {
    emulator_numbers_threads_and_blocks();
    emulator_shared_memory_race();
    emulator_shuffles_and_votes();
    emulator_sums_by_shuffles_are_equal_in_all_lanes();
    emulator_products();
    emulator_copies_land_late_race();
  });
}

TEST(emulator_counts) {
  std::vector<float> in(64), out(64);
  const auto counted = emulator::counted([&] { run({.x = 2, .threads = 32}, sum_kernel, out.data(), in.data()); });
  CHECK(counted.blocks == 2 && counted.threads == 64 && counted.warp_operations == 2 * 5 && counted.products == 0);
}

TEST(emulator_refuses_schedules) {
  for (const char* text : {"", "low", "random:", "random:x", "random:1 ", "4", "-1"})
    CHECK_THROWS(InvalidArgument, "WHISPER_TUNE_EMULATOR_SCHEDULE", emulator::parse_schedule(text));
  CHECK(emulator::parse_schedule("2").order == emulator::Order::random);
  CHECK(emulator::parse_schedule("random:42").seed == 42);
}

}  // namespace whisper::test
