// Adafactor (Shazeer and Stern, arXiv:1804.04235) as transformers has it with scale_parameter and relative_step off
// (optimization.py: Adafactor.step). As on the CPU the update U is not kept but computed again: the gradient is read
// for the means of its squares, for RMS(U), which takes all of the tensor, and for the value. The three passes are over
// tiles of a matrix, a block of threads for each; what is between them adds up the sums of the tiles in their order.
#include <cmath>

#include "core/expect.h"
#include "core/workspace.h"
#include "cuda/cuda_backend.h"
#include "cuda/quad.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"
#include "cuda/value_copy.h"

namespace whisper {
namespace {

using namespace gpu;
using cuda::quad;

constexpr int tile_rows = AdafactorTiles::rows;
constexpr int tile_threads = AdafactorTiles::columns / quad, tile_warps = tile_threads / 32;
constexpr int sum_threads = 256, matrix_threads = 512;
static_assert(tile_rows <= tile_threads);

// What is in device memory: the workspace (core/workspace.h: AdafactorTiles), and the states.
struct Sums {
  double *of_tiles, *means, *of_matrices;
  float *of_rows, *of_columns, *factors;  // [across, rows of all matrices], [matrices, parts, width], [matrices, width]
  float *row, *column;                    // no row of a vector
};

// Where a block's tile lies. Rows are counted through all matrices.
struct Tile {
  int64_t matrix, part, across, row;  // of which matrix, part of all, tile of it; its first row
  int rows;
};
GPU_FUNCTION Tile tile_of(const AdafactorTiles& all, int64_t i) {
  const int64_t part = i / all.across, matrix = part / all.parts, row = part % all.parts * tile_rows;
  const int64_t rest = all.height - row;
  return {matrix, part, i % all.across, matrix * all.height + row,
          static_cast<int>(rest < tile_rows ? rest : tile_rows)};
}
// The first of the columns that a thread has of a tile.
GPU_FUNCTION int64_t column_of(const Tile& tile) { return tile.across * AdafactorTiles::columns + threadIdx.x * quad; }

// Σ (scale·grad)² of the rows and columns of each tile.
__global__ void __launch_bounds__(tile_threads)
    square_sums_kernel(Sums sums, const float* grad, const float* scale, AdafactorTiles all, bool wide) {
  SHARED_ARRAY(float, of_warps, [tile_warps][tile_rows]);
  const float s = *scale;
  if (s == 0) return;
  const Tile tile = tile_of(all, blockIdx.x);
  const int64_t column = column_of(tile);
  float columns[quad] = {};
#pragma unroll 4
  for (int r = 0; r < tile.rows; ++r) {
    float g[quad], row = 0;
    cuda::load_quad(g, grad + (tile.row + r) * all.width, column, all.width, wide);
#pragma unroll
    for (int j = 0; j < quad; ++j) {
      const float square = s * g[j] * (s * g[j]);
      columns[j] += square, row += square;
    }
    row = cuda::warp_sum(row);
    if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32][r] = row;
  }
  cuda::store_quad(sums.of_columns + tile.part * all.width, columns, column, all.width, wide);
  __syncthreads();
  const int r = threadIdx.x;
  if (r >= tile.rows) return;
  float row = 0;
#pragma unroll
  for (int w = 0; w < tile_warps; ++w) row += of_warps[w][r];
  sums.of_rows[tile.across * all.matrices * all.height + tile.row + r] = row;
}

// Of the state's running average with the mean of squares.
struct Average {
  double beta2, eps;
  GPU_FUNCTION void take(float& state, double mean) const {
    state = static_cast<float>(beta2 * state + (1 - beta2) * (mean + eps));
  }
};

// Column and row states. The first blocks have some columns of a matrix each, whose parts they add up in `slices`; the
// others have rows, a thread for each.
__global__ void __launch_bounds__(sum_threads)
    averages_kernel(Sums sums, const float* scale, AdafactorTiles all, Average average, int slices) {
  SHARED_ARRAY(double, of_slices, [sum_threads]);
  if (*scale == 0) return;
  const int columns = sum_threads / slices;
  const int64_t across = cuda::blocks(all.width, columns), column_blocks = all.matrices * across;
  const int64_t block = blockIdx.x;
  if (block >= column_blocks) {
    const int64_t rows = all.matrices * all.height, r = (block - column_blocks) * sum_threads + threadIdx.x;
    if (r >= rows) return;
    double sum = 0;
    for (int64_t a = 0; a < all.across; ++a) sum += sums.of_rows[a * rows + r];
    average.take(sums.row[r], sum / all.width);
    return;
  }
  const int slice = threadIdx.x / columns;
  const int64_t matrix = block / across, c = block % across * columns + threadIdx.x % columns;
  const float* const parts = sums.of_columns + matrix * all.parts * all.width;
  double sum = 0;
  if (c < all.width)
    for (int64_t part = slice; part < all.parts; part += slices) sum += parts[part * all.width + c];
  of_slices[threadIdx.x] = sum;
  __syncthreads();
  if (slice > 0 || c >= all.width) return;
  for (int i = 1; i < slices; ++i) sum += of_slices[i * columns + threadIdx.x];
  float& state = sums.column[matrix * all.width + c];
  average.take(state, sum / all.height);
  sums.factors[matrix * all.width + c] = 1 / sqrtf(state);
}

// Σ (grad·factors)² / row of each tile: Σ U² but for what all of a matrix has in common.
__global__ void __launch_bounds__(tile_threads)
    update_squares_kernel(Sums sums, const float* grad, const float* scale, AdafactorTiles all, bool wide) {
  SHARED_ARRAY(double, inverse, [tile_rows]);
  if (*scale == 0) return;
  const Tile tile = tile_of(all, blockIdx.x);
  const int64_t column = column_of(tile);
  if (const int r = threadIdx.x; r < tile.rows) inverse[r] = sums.row ? 1.0 / sums.row[tile.row + r] : 1;
  __syncthreads();
  float factors[quad];
  cuda::load_quad(factors, sums.factors + tile.matrix * all.width, column, all.width, wide);
  double sum = 0;
#pragma unroll 4
  for (int r = 0; r < tile.rows; ++r) {
    float g[quad], row = 0;
    cuda::load_quad(g, grad + (tile.row + r) * all.width, column, all.width, wide);
#pragma unroll
    for (int j = 0; j < quad; ++j) row += g[j] * factors[j] * (g[j] * factors[j]);
    sum = fma(inverse[r], static_cast<double>(row), sum);
  }
  sum = cuda::block_sum<tile_threads>(sum);
  if (threadIdx.x == 0) sums.of_tiles[blockIdx.x] = sum;
}

// A block for each matrix: mean(row), and Σ U².
__global__ void __launch_bounds__(matrix_threads) means_kernel(Sums sums, const float* scale, AdafactorTiles all) {
  const double s = *scale;
  if (s == 0) return;
  const int64_t matrix = blockIdx.x, tiles = all.parts * all.across;
  double rows = 0, squares = 0;
  if (sums.row)
    for (int64_t r = threadIdx.x; r < all.height; r += matrix_threads) rows += sums.row[matrix * all.height + r];
  for (int64_t t = threadIdx.x; t < tiles; t += matrix_threads) squares += sums.of_tiles[matrix * tiles + t];
  rows = cuda::block_sum<matrix_threads>(rows);
  squares = cuda::block_sum<matrix_threads>(squares);
  if (threadIdx.x > 0) return;
  const double mean = sums.row ? rows / all.height : 1;
  sums.means[matrix] = mean;
  sums.of_matrices[matrix] = s * s * mean * squares;
}

struct Step {
  double lr, threshold;
  float decay;  // lr·decay
};

// p = p - lr·decay·p - lr·U / max(1, RMS(U) / threshold)
template <class C>
__global__ void __launch_bounds__(tile_threads)
    update_kernel(float* value, Sums sums, const float* grad, const float* scale, C* copy, AdafactorTiles all,
                  bool wide, Step step) {
  SHARED_ARRAY(float, sizes, [tile_rows]);  // what a row of grad·factors is multiplied by
  const double s = *scale;
  if (s == 0) return;
  const Tile tile = tile_of(all, blockIdx.x);
  const int64_t column = column_of(tile);
  double squares = 0;
  for (int64_t m = threadIdx.x; m < all.matrices; m += tile_threads) squares += sums.of_matrices[m];
  squares = cuda::block_sum<tile_threads>(squares);
  if (const int r = threadIdx.x; r < tile.rows) {
    const double n = static_cast<double>(all.matrices * all.height * all.width);
    const double beyond = sqrt(squares / n) / step.threshold, size = step.lr / (beyond > 1 ? beyond : 1);
    const double row = sums.row ? sqrt(sums.means[tile.matrix] / sums.row[tile.row + r]) : 1;
    sizes[r] = static_cast<float>(size * (s * row));
  }
  __syncthreads();
  float factors[quad];
  cuda::load_quad(factors, sums.factors + tile.matrix * all.width, column, all.width, wide);
#pragma unroll 2
  for (int r = 0; r < tile.rows; ++r) {
    const int64_t begin = (tile.row + r) * all.width;
    float p[quad], g[quad];
    cuda::load_quad(p, value + begin, column, all.width, wide);
    cuda::load_quad(g, grad + begin, column, all.width, wide);
#pragma unroll
    for (int j = 0; j < quad; ++j) p[j] = p[j] - step.decay * p[j] - sizes[r] * (g[j] * factors[j]);
    cuda::store_quad(value + begin, p, column, all.width, wide);
    if (copy) cuda::store_quad(copy + begin, p, column, all.width, wide);
  }
}

}  // namespace

void CudaBackend::adafactor(Acc value, Acc row, Acc column, In grad, In scale, AdafactorHyper hyper, Out copy) {
  const Expect op("adafactor");
  const bool is_factored = value.shape.rank >= 2;
  const AdafactorTiles all(value.shape);
  const int64_t n = value.shape.size(), rows = all.matrices * all.height;
  op.flat("value", value, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  op.flat("column", column, all.matrices * all.width);
  if (is_factored) op.flat("row", row, rows);
  if (!is_factored && row) fail(Code::InvalidArgument, "adafactor: row ", row.shape, ", expected none of a vector");
  if (hyper.t < 1) fail(Code::InvalidArgument, "adafactor: t is ", hyper.t, ", expected 1 for the first step");
  cuda::with_copy(op, copy, value, [&](auto* copies) {
    using C = std::remove_pointer_t<decltype(copies)>;
    if (n == 0) return;
    const std::shared_ptr<void> memory = allocate(all.bytes());
    Sums sums;
    sums.row = row.as<float>(), sums.column = column.as<float>();
    sums.of_tiles = static_cast<double*>(memory.get());
    sums.means = sums.of_tiles + all.count();
    sums.of_matrices = sums.means + all.matrices;
    sums.of_rows = reinterpret_cast<float*>(sums.of_matrices + all.matrices);
    sums.of_columns = reinterpret_cast<float*>(static_cast<std::byte*>(memory.get()) + all.before_columns());
    sums.factors = sums.of_columns + all.column_sums();

    const Grid tiles{.x = all.count(), .threads = tile_threads};
    const float *const g = grad.as<float>(), *const s = scale.as<float>();
    const bool wide = all.width % quad == 0 && cuda::wide(value.as<float>(), g, copies);
    const Average average{.beta2 = 1 - std::pow(hyper.t, hyper.decay_rate), .eps = hyper.eps};
    const int slices = all.parts < 8 ? 1 : 8;
    const int64_t column_blocks = all.matrices * cuda::blocks(all.width, sum_threads / slices);
    const int64_t row_blocks = is_factored ? cuda::blocks(rows, sum_threads) : 0;
    launch(device(), "adafactor", tiles, square_sums_kernel, sums, g, s, all, wide);
    launch(device(), "adafactor", {.x = column_blocks + row_blocks, .threads = sum_threads}, averages_kernel, sums, s,
           all, average, slices);
    launch(device(), "adafactor", tiles, update_squares_kernel, sums, g, s, all, wide);
    launch(device(), "adafactor", {.x = all.matrices, .threads = matrix_threads}, means_kernel, sums, s, all);
    launch(device(), "adafactor", tiles, update_kernel<C>, value.as<float>(), sums, g, s, copies, all, wide,
           Step{hyper.lr, hyper.clip_threshold, static_cast<float>(hyper.lr * hyper.decay)});
  });
}

}  // namespace whisper
