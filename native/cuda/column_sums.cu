// Sums over rows, the gradients of biases: of groups of rows first, and then of the groups in order.
#include <algorithm>

#include "cuda/cuda_backend.h"
#include "cuda/gemm.h"
#include "cuda/row_places.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper::cuda {
namespace {

using namespace gpu;

constexpr int warps = 8, threads = 32 * warps;

// parts[group][column]: each lane sums `count` columns of every eighth row of the group, then the warps' sums are
// added.
template <class T, int count>
__global__ void __launch_bounds__(threads)
    group_sums_kernel(float* parts, const T* source, const __grid_constant__ RowPlaces places, int rows,
                      int rows_of_group, int columns) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int column = (static_cast<int>(blockIdx.x) * 32 + lane) * count;
  const int begin = static_cast<int>(blockIdx.y) * rows_of_group, end = min(rows, begin + rows_of_group);
  SHARED_ARRAY(float, sums, [warps][32 * count]);
  float sum[count] = {};
  if (column < columns)
    for (int r = begin + warp; r < end; r += warps) {
      float x[count];
      load_run(x, source + places(r) + column);
#pragma unroll
      for (int i = 0; i < count; ++i) sum[i] += x[i];
    }
#pragma unroll
  for (int i = 0; i < count; ++i) sums[warp][i * 32 + lane] = sum[i];  // not side by side: one bank for each lane
  __syncthreads();
  if (warp > 0 || column >= columns) return;
#pragma unroll
  for (int i = 0; i < count; ++i) {
    float total = sums[0][i * 32 + lane];
    for (int w = 1; w < warps; ++w) total += sums[w][i * 32 + lane];
    parts[int64_t{blockIdx.y} * columns + column + i] = total;
  }
}

__global__ void __launch_bounds__(threads) add_groups_kernel(float* sums, const float* parts, int groups, int columns) {
  const int column = static_cast<int>(blockIdx.x) * threads + static_cast<int>(threadIdx.x);
  if (column >= columns) return;
  float total = 0;
  for (int g = 0; g < groups; ++g) total += parts[int64_t{g} * columns + column];
  sums[column] += total;
}

}  // namespace

void add_column_sums(CudaBackend& backend, const char* op, float* sums, const Rows& source, int64_t rows,
                     int64_t columns) {
  if (rows == 0 || columns == 0) return;
  typed(source.dtype, [&](auto element) {
    using T = decltype(element);
    constexpr int count = 16 / sizeof(T);
    const bool wide = columns % count == 0 && in_units(source, count);
    // Some thousand blocks, of at least 64 rows each.
    const int64_t blocks_across = blocks(columns, 32 * count);
    const int64_t groups = std::clamp<int64_t>(2048 / blocks_across, 1, blocks(rows, 64)), per = blocks(rows, groups);
    const std::shared_ptr<void> parts = backend.allocate(static_cast<size_t>(groups * columns) * sizeof(float));
    const auto launch_groups = [&](auto kernel, int64_t across) {
      launch(backend.device(), op, {.x = across, .y = groups, .threads = threads}, kernel,
             static_cast<float*>(parts.get()), static_cast<const T*>(source.address), RowPlaces(source),
             static_cast<int>(rows), static_cast<int>(per), static_cast<int>(columns));
    };
    if (wide)
      launch_groups(group_sums_kernel<T, count>, blocks_across);
    else
      launch_groups(group_sums_kernel<T, 1>, blocks(columns, 32));
    launch(backend.device(), op, {.x = blocks(columns, threads), .threads = threads}, add_groups_kernel, sums,
           static_cast<const float*>(parts.get()), static_cast<int>(groups), static_cast<int>(columns));
  });
}

}  // namespace whisper::cuda
