// Products of few rows, tokens that are being decoded: C[m, n] = x·Wᵀ with m <= 32. Their time is that of reading the
// weight, so each element of it is read once, from global memory straight to the registers of the lane that multiplies
// it, and by many blocks: one makes 16 columns of C, its warps taking segments of k in turn.
#include <bit>
#include <gpu/ptx.cuh>

#include "cuda/cuda_backend.h"
#include "cuda/epilogue.cuh"
#include "cuda/factor_tiles.cuh"
#include "cuda/gemm_candidates.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"

namespace whisper::cuda {
namespace {

using namespace gpu;

constexpr int most_rows = 32, block_columns = 16, warps = 8, threads = 32 * warps;

// Lane l has chunk l % 4 of a segment of four chunks of k, of row l / 4 of eight.
GPU_FUNCTION int lane() { return static_cast<int>(threadIdx.x) % 32; }
GPU_FUNCTION int lane_row() { return lane() / 4; }
GPU_FUNCTION int lane_chunk() { return lane() % 4; }

// A chunk of a row, of which the first `count` elements exist; zeros follow them.
template <class T>
GPU_FUNCTION uint4 load_chunk(const T* from, int count, bool aligned) {
  if (aligned && count >= chunk<T>) return load16(from);
  uint32_t words[4] = {};
#pragma unroll
  for (int i = 0; i < chunk<T>; ++i)
    if (i < count) {
      if constexpr (sizeof(T) == 4)
        words[i] = load4(from + i);
      else
        words[i / 2] |= static_cast<uint32_t>(from[i].bits) << (i % 2 * 16);
    }
  return {words[0], words[1], words[2], words[3]};
}

struct FewRows {
  TiledFactor x, weight;
  int m, n, k;
  bool aligned;
  const int32_t* live;
  Epilogue epilogue;
};

// A row of a factor, from which a lane takes its chunk of the segment that begins at step `k`. A row that is not there
// is zero.
template <class T>
class Row {
 public:
  GPU_FUNCTION Row(const TiledFactor& factor, int row, int size, const FewRows& p)
      : from_(static_cast<const T*>(factor.data) + (row < size ? factor.rows(row) : 0) + lane_chunk() * chunk<T>),
        length_((row < size ? p.k : 0) - lane_chunk() * chunk<T>),
        aligned_(p.aligned) {}
  GPU_FUNCTION uint4 load(int k) const { return load_chunk(from_ + k, length_ - k, aligned_); }

 private:
  const T* from_;
  int length_;
  bool aligned_;
};

// A warp's sums of x·Wᵀ, for rows of x and 16 columns. The lane has rows lane_row() and the eighth after it of the
// weight.
//
// On tensor cores a segment is 32 steps of k, two fragments' worth. Which steps the columns of a fragment stand for
// does not matter as long as both factors agree: what a lane has of a chunk, 8 steps of one row, goes into the two
// places that it has in each of the two fragments.
template <class T, int rows>
class Sums {
 public:
  GPU_FUNCTION Sums(const FewRows& p, int m)
      : x_{{p.x, lane_row(), m, p},
           {p.x, lane_row() + 8, m, p},
           {p.x, lane_row() + rows - 16, m, p},
           {p.x, lane_row() + rows - 8, m, p}} {}

  GPU_FUNCTION void add(const uint4 (&w)[2], int k) {
#pragma unroll
    for (int i = 0; i < rows / 16; ++i) {
      const uint4 upper = x_[2 * i].load(k), lower = x_[2 * i + 1].load(k);
      const uint32_t first[4] = {upper.x, lower.x, upper.y, lower.y}, second[4] = {upper.z, lower.z, upper.w, lower.w};
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        mma<T>(sums_[i][j], first, w[j].x, w[j].y);
        mma<T>(sums_[i][j], second, w[j].z, w[j].w);
      }
    }
  }
  GPU_FUNCTION void store(float (&to)[rows][block_columns]) {
#pragma unroll
    for (int i = 0; i < rows / 16; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          to[16 * i + lane_row() + e / 2 * 8][8 * j + lane_chunk() * 2 + e % 2] = sums_[i][j][e];
  }

 private:
  Row<T> x_[4];  // of 16 rows the first two
  float sums_[rows / 16][2][4] = {};
};

// In f32 a segment is 16 steps of k, of which a lane multiplies its four with all rows of x.
template <int rows>
class Sums<float, rows> {
 public:
  GPU_FUNCTION Sums(const FewRows& p, int m) : p_(p), m_(m) {}

  GPU_FUNCTION void add(const uint4 (&w)[2], int k) {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      if (i >= m_) continue;
      const uint4 x = Row<float>(p_.x, i, m_, p_).load(k);
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        float& sum = sums_[i][j];
        sum = fmaf(std::bit_cast<float>(x.x), std::bit_cast<float>(w[j].x), sum);
        sum = fmaf(std::bit_cast<float>(x.y), std::bit_cast<float>(w[j].y), sum);
        sum = fmaf(std::bit_cast<float>(x.z), std::bit_cast<float>(w[j].z), sum);
        sum = fmaf(std::bit_cast<float>(x.w), std::bit_cast<float>(w[j].w), sum);
      }
    }
  }
  GPU_FUNCTION void store(float (&to)[rows][block_columns]) {
#pragma unroll
    for (int i = 0; i < rows; ++i)
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        float sum = sums_[i][j];
        sum += __shfl_xor_sync(0xffffffff, sum, 1);
        sum += __shfl_xor_sync(0xffffffff, sum, 2);
        if (lane_chunk() == 0) to[i][8 * j + lane_row()] = sum;
      }
  }

 private:
  const FewRows& p_;
  int m_;
  float sums_[rows][2] = {};
};

template <class T, int rows>
__global__ void __launch_bounds__(threads) few_rows_kernel(const __grid_constant__ FewRows p) {
  constexpr int segment = depth<T>;
  SHARED_ARRAY(float, parts, [warps][rows][block_columns]);
  const int m = p.live ? min(p.m, *p.live) : p.m, column = static_cast<int>(blockIdx.x) * block_columns;
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32;
  const Row<T> weight[2] = {{p.weight, column + lane_row(), p.n, p}, {p.weight, column + 8 + lane_row(), p.n, p}};
  Sums<T, rows> sums(p, m);
#pragma unroll 2
  for (int k = warp * segment; k < p.k; k += warps * segment) {
    const uint4 w[2] = {weight[0].load(k), weight[1].load(k)};
    sums.add(w, k);
  }
  sums.store(parts[warp]);
  __syncthreads();

  const int row = thread / (block_columns / quad), in_block = thread % (block_columns / quad) * quad;
  if (row >= m || row >= rows) return;
  float x[quad] = {};
  for (int w = 0; w < warps; ++w) {
    float part[quad];
    load_run(part, &parts[w][row][in_block]);
#pragma unroll
    for (int i = 0; i < quad; ++i) x[i] += part[i];
  }
  finish<T>(p.epilogue, row, column + in_block, x);
}

template <class T>
void run(CudaBackend& backend, const char* op, const Product& p) {
  const FewRows arguments{.x = TiledFactor(p.a),
                          .weight = TiledFactor(p.b),
                          .m = static_cast<int>(p.m),
                          .n = static_cast<int>(p.n),
                          .k = static_cast<int>(p.k),
                          .aligned = in_chunks<T>(p.a) && in_chunks<T>(p.b),
                          .live = p.live,
                          .epilogue = Epilogue(p)};
  launch(backend.device(), op, {.x = blocks(p.n, block_columns), .threads = threads},
         p.m <= 16 ? few_rows_kernel<T, 16> : few_rows_kernel<T, 32>, arguments);
}

}  // namespace

const GemmCandidate gemm_few_rows{
    "few rows",
    [](const gpu::Properties&, const Product& p) {
      return p.m <= most_rows && p.a.direction == Factor::Across && p.b.direction == Factor::Across;
    },
    [](CudaBackend& backend, const char* op, const Product& p) {
      typed(p.a.rows.dtype, [&](auto element) { run<decltype(element)>(backend, op, p); });
    }};

}  // namespace whisper::cuda
