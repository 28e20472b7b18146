// The instructions of warpgroups in the emulator: every way in which factors lie, against sums in f64.
#include <gpu/hopper.cuh>
#include <vector>

#include "../native/test.h"

namespace whisper::test {
namespace {

using namespace gpu;

constexpr int steps = 64;

// C[64, 2·count] = A·B over 64 steps of k from (column, row) = (0, first) on; A and B are matrices as TileMaps have
// them.
template <class T, Major a_major, Major b_major, int count>
__global__ void product_kernel(float* c, const __grid_constant__ TileMap a, const __grid_constant__ TileMap b) {
  constexpr int n = 2 * count, box = 64 * 128;  // bytes
  Shared shared;
  auto* at = shared.take<unsigned char>(box, 1024);
  auto* bt = shared.take<unsigned char>(n / 64 * box, 1024);
  auto* full = shared.take<Barrier>(1, 8);
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    barrier_expect(full, box + n / 64 * box);
    copy_tile(at, &a, 0, 0, full);
    for (int i = 0; i < n / 64; ++i)
      copy_tile(bt + i * box, &b, b_major == Major::MN ? i * 64 : 0, b_major == Major::MN ? 0 : i * 64, full);
  }
  barrier_wait(full, 0);
  float sums[count];
  for (float& sum : sums) sum = 0;
  warpgroup_fence(sums);
  for (int k = 0; k < steps; k += 16)
    warpgroup_mma<T, a_major, b_major>(sums, factor_descriptor<a_major>(at + k * (a_major == Major::MN ? 128 : 2)),
                                       factor_descriptor<b_major>(bt + k * (b_major == Major::MN ? 128 : 2), box));
  commit_products();
  wait_for_products<0>(sums);
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  for (int i = 0; i < count; ++i) c[(row + i / 2 % 2 * 8) * n + i / 4 * 8 + column + i % 2] = sums[i];
}

// rows·columns numbers that 16 bits have exactly.
template <class T>
std::vector<T> numbers(int64_t count, int seed) {
  std::vector<T> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i)
    store(&values[static_cast<size_t>(i)], static_cast<float>((i * 37 + i / 64 * 11 + seed) % 17 - 8) / 4);
  return values;
}

template <class T, Major a_major, Major b_major, int count>
void product_of_boxes() {
  constexpr int n = 2 * count, rows = 61, columns = n - 3, depth = 59;  // smaller than the boxes: the rest is zero
  constexpr int a_stride = 72, b_stride = n + 8;
  const auto a = numbers<T>(64 * a_stride, 3), b = numbers<T>(256 * b_stride, 5);
  struct alignas(16) Chunk {
    T elements[8];
  };
  std::vector<Chunk> a_memory(a.size() / 8), b_memory(b.size() / 8);
  std::memcpy(a_memory.data(), a.data(), a.size() * sizeof(T));
  std::memcpy(b_memory.data(), b.data(), b.size() * sizeof(T));
  const bool a_across = a_major == Major::K, b_across = b_major == Major::K;
  const TileMap a_map =
      make_tile_map("test", a_memory.data(), a_across ? depth : rows, a_across ? rows : depth, a_stride, 64);
  const TileMap b_map =
      make_tile_map("test", b_memory.data(), b_across ? depth : columns, b_across ? columns : depth, b_stride, 64);
  std::vector<float> c(64 * n);
  Device device(0);
  launch(device, "test", {.threads = 128, .shared = (1 + n / 64) * 8192 + 1024},
         product_kernel<T, a_major, b_major, count>, c.data(), a_map, b_map);
  for (int i = 0; i < 64; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      if (i < rows && j < columns)
        for (int k = 0; k < depth; ++k)
          sum += static_cast<double>(to_float(a[static_cast<size_t>(a_across ? i * a_stride + k : k * a_stride + i)])) *
                 to_float(b[static_cast<size_t>(b_across ? j * b_stride + k : k * b_stride + j)]);
      CHECK(c[static_cast<size_t>(i * n + j)] == sum);
    }
}

template <class T, int count>
void product_in_all_majors() {
  product_of_boxes<T, Major::K, Major::K, count>();
  product_of_boxes<T, Major::K, Major::MN, count>();
  product_of_boxes<T, Major::MN, Major::MN, count>();
  product_of_boxes<T, Major::MN, Major::K, count>();
}

}  // namespace

TEST(wgmma_reads_boxes_in_both_majors) {
  product_in_all_majors<f16, 64>();
  product_in_all_majors<bf16, 128>();
}

TEST(wgmma_boxes_race) { product_of_boxes<f16, Major::K, Major::MN, 64>(); }

}  // namespace whisper::test
