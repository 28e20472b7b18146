// Layer normalisation (Ba et al., arXiv:1607.06450): y = x̂·w + b with x̂ = (x - mean)·rstd, and its gradients:
//
//     dx += rstd·(ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)) with ĝ = dy·w,  dw += Σ dy·x̂,  db += Σ dy
//
// A warp takes a row. Where addresses and width allow it the row is in the registers of its lanes, read once.
#include "core/expect.h"
#include "core/workspace.h"
#include "cuda/cuda_backend.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256, warps = threads / 32;
constexpr int run = 4, runs_in_width = 32 * run;  // elements of a lane, and of a warp, at once
constexpr int most_runs = 10;                     // of a lane: rows of up to 1280

// The columns of a row that belong to a lane: `runs` times a run, `runs_in_width` apart, or, if `runs` is 0, single
// ones in rows of any width. each(width, f) calls f(number of the run, column, Run).
template <int runs>
struct Columns {
  static constexpr int elements = runs ? run : 1, held = runs ? runs : 1;  // of a run, and runs in registers

  template <class F>
  static GPU_FUNCTION void each(int width, F f) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    if constexpr (runs > 0) {
#pragma unroll
      for (int j = 0; j < runs; ++j)
        if (const int column = j * runs_in_width + lane * run; column < width) f(j, column, cuda::Run<run>{});
    } else {
      for (int column = lane; column < width; column += 32) f(0, column, cuda::Run<1>{});
    }
  }
};

// A row as its warp reads it: get(number, column) is a run, from registers or, if there are none, from memory again.
template <int runs, class T>
struct Row {
  const T* row;
  float values[Columns<runs>::held][Columns<runs>::elements];

  GPU_FUNCTION Row(const T* row, int width) : row(row) {
    if constexpr (runs > 0)
      Columns<runs>::each(width, [&](int j, int column, auto) { cuda::load_run(values[j], row + column); });
  }
  using Values = float[Columns<runs>::elements];
  GPU_FUNCTION const Values& get(int j, int column) {
    if constexpr (runs == 0) cuda::load_run(values[0], row + column);
    return values[j];
  }
};

template <int runs, class T>
__global__ void __launch_bounds__(threads)
    layernorm_kernel(T* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                     int64_t rows, int width) {
  const int64_t r = int64_t{blockIdx.x} * warps + threadIdx.x / 32;
  if (r >= rows) return;
  const float rest = 1.0f / static_cast<float>(width);
  Row<runs, float> row(x + r * width, width);

  float sum = 0;
  Columns<runs>::each(width, [&](int j, int column, auto n) {
    const auto& v = row.get(j, column);
#pragma unroll
    for (int i = 0; i < n; ++i) sum += v[i];
  });
  const float mu = rest * cuda::warp_sum(sum);

  float squares = 0;
  Columns<runs>::each(width, [&](int j, int column, auto n) {
    const auto& v = row.get(j, column);
#pragma unroll
    for (int i = 0; i < n; ++i) squares = fmaf(v[i] - mu, v[i] - mu, squares);
  });
  const float scale = 1.0f / sqrtf(rest * cuda::warp_sum(squares) + 1e-5f);

  Columns<runs>::each(width, [&](int j, int column, auto n) {
    const auto& v = row.get(j, column);
    float w[n], result[n];
    cuda::load_run(w, weight + column);
    cuda::load_run(result, bias + column);
#pragma unroll
    for (int i = 0; i < n; ++i) result[i] = fmaf((v[i] - mu) * scale, w[i], result[i]);
    cuda::store_run(y + r * width + column, result);
  });
  if (threadIdx.x % 32 == 0) mean[r] = mu, rstd[r] = scale;
}

struct Gradients {
  float *dx, *weight_shares, *bias_shares;  // of shares [count, width], or absent
  const float *x, *mean, *rstd, *weight;
  int64_t rows, share;  // rows in all and of a share
  int width;
};

// dx of a row; each(j, column, dy, x̂) sees every run of it on the way.
template <int runs, class T, class F>
GPU_FUNCTION void add_dx(const Gradients& g, const T* dy, int64_t r, F each) {
  using Lane = Columns<runs>;
  const int width = g.width;
  const float mu = g.mean[r], scale = g.rstd[r], rest = 1.0f / static_cast<float>(width);
  Row<runs, float> x(g.x + r * width, width);
  Row<runs, T> gradient(dy + r * width, width);
  float sum = 0, product = 0;
  Lane::each(width, [&](int j, int column, auto n) {
    const auto& d = gradient.get(j, column);
    const auto& v = x.get(j, column);
    float w[n], normalised[n];
    cuda::load_run(w, g.weight + column);
#pragma unroll
    for (int i = 0; i < n; ++i) {
      normalised[i] = (v[i] - mu) * scale;
      const float weighed = d[i] * w[i];
      sum += weighed;
      product = fmaf(weighed, normalised[i], product);
    }
    each(j, d, normalised);
  });
  const float a = rest * cuda::warp_sum(sum), b = rest * cuda::warp_sum(product);
  Lane::each(width, [&](int j, int column, auto n) {
    const auto& d = gradient.get(j, column);
    const auto& v = x.get(j, column);
    float w[n], result[n];
    cuda::load_run(w, g.weight + column);
    cuda::load_run(result, g.dx + r * width + column);
#pragma unroll
    for (int i = 0; i < n; ++i) result[i] = fmaf(scale, fmaf(-((v[i] - mu) * scale), b, d[i] * w[i] - a), result[i]);
    cuda::store_run(g.dx + r * width + column, result);
  });
}

// A block takes a share of the rows, its warps rows in turn. Each lane sums dy·x̂ and dy in its columns; the sums of the
// warps are added in their order.
template <int runs, class T>
__global__ void __launch_bounds__(threads) layernorm_backward_kernel(Gradients g, const T* dy) {
  const int64_t begin = blockIdx.x * g.share, end = min(begin + g.share, g.rows);
  const int warp = static_cast<int>(threadIdx.x / 32);
  float weights[runs][run] = {}, biases[runs][run] = {};
  for (int64_t r = begin + warp; r < end; r += warps)
    add_dx<runs>(g, dy, r, [&](int j, const auto& d, const auto& normalised) {
#pragma unroll
      for (int i = 0; i < run; ++i) {
        weights[j][i] = fmaf(d[i], normalised[i], weights[j][i]);
        biases[j][i] += d[i];
      }
    });

  SHARED_ARRAY(float, sums, [2][runs * runs_in_width]);
  for (int turn = 0; turn < warps; ++turn) {
    if (warp == turn)
      Columns<runs>::each(g.width, [&](int j, int column, auto) {
        const auto add = [&](float* to, float(&part)[run]) {
          float before[run];
          if (turn > 0) {
            cuda::load_run(before, to);
#pragma unroll
            for (int i = 0; i < run; ++i) part[i] += before[i];
          }
          cuda::store_run(to, part);
        };
        add(&sums[0][column], weights[j]);
        add(&sums[1][column], biases[j]);
      });
    __syncthreads();
  }
  const int64_t share = int64_t{blockIdx.x} * g.width;
  for (int column = static_cast<int>(threadIdx.x); column < g.width; column += threads) {
    if (g.weight_shares) g.weight_shares[share + column] = sums[0][column];
    if (g.bias_shares) g.bias_shares[share + column] = sums[1][column];
  }
}

// Rows of any width: the sums over the rows of the share are made column by column, from memory.
template <class T>
__global__ void __launch_bounds__(threads) layernorm_backward_any_kernel(Gradients g, const T* dy) {
  const int64_t begin = blockIdx.x * g.share, end = min(begin + g.share, g.rows);
  for (int64_t r = begin + threadIdx.x / 32; r < end; r += warps)
    add_dx<0>(g, dy, r, [](int, const auto&, const auto&) {});
  if (!g.weight_shares && !g.bias_shares) return;

  const int64_t share = int64_t{blockIdx.x} * g.width;
  for (int column = static_cast<int>(threadIdx.x); column < g.width; column += threads) {
    float weight = 0, bias = 0;
    for (int64_t r = begin; r < end; ++r) {
      const float d = to_float(dy[r * g.width + column]);
      weight = fmaf(d, (g.x[r * g.width + column] - g.mean[r]) * g.rstd[r], weight);
      bias += d;
    }
    if (g.weight_shares) g.weight_shares[share + column] = weight;
    if (g.bias_shares) g.bias_shares[share + column] = bias;
  }
}

// sums += the shares [count, width]. A lane takes a column, a warp an eighth of the shares, in their order.
__global__ void __launch_bounds__(threads) add_shares_kernel(float* sums, const float* shares, int count, int width) {
  SHARED_ARRAY(float, parts, [warps][32]);
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t column = int64_t{blockIdx.x} * 32 + lane;
  const int each = (count + warps - 1) / warps, end = min((warp + 1) * each, count);
  float sum = 0;
  if (column < width) {
#pragma unroll 4
    for (int share = warp * each; share < end; ++share) sum += shares[int64_t{share} * width + column];
  }
  parts[warp][lane] = sum;
  __syncthreads();
  if (warp != 0 || column >= width) return;
  sum = parts[0][lane];
  for (int part = 1; part < warps; ++part) sum += parts[part][lane];
  sums[column] += sum;
}

// f(runs), the least number of runs in which a warp can hold a row of this width: one of those that kernels are made
// for, and 0 where they cannot.
template <class F>
void choose_runs(int64_t width, bool aligned, F f) {
  const int64_t runs = cuda::blocks(width, runs_in_width);
  if (!aligned || width % run != 0 || runs > most_runs)
    f(cuda::Run<0>{});
  else if (runs <= 4)
    f(cuda::Run<4>{});
  else if (runs <= 6)
    f(cuda::Run<6>{});
  else if (runs <= 8)
    f(cuda::Run<8>{});
  else
    f(cuda::Run<most_runs>{});
}

bool all_aligned(std::initializer_list<const float*> rows) {
  return std::all_of(rows.begin(), rows.end(), [](const float* row) { return cuda::aligned(row, run); });
}

}  // namespace

void CudaBackend::layernorm(Out y, Out mean, Out rstd, In x, In weight, In bias) {
  const Expect op("layernorm");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  op.dense("x", x, rows, width);
  op.dense("y", y, rows, width, op.compute("y", y));
  op.flat("mean", mean, rows);
  op.flat("rstd", rstd, rows);
  op.flat("weight", weight, width);
  op.flat("bias", bias, width);
  if (x.shape.size() == 0) return;
  cuda::typed(y.dtype, [&](auto element) {
    using T = decltype(element);
    const bool aligned =
        cuda::aligned(y.as<T>(), run) && all_aligned({x.as<float>(), weight.as<float>(), bias.as<float>()});
    choose_runs(width, aligned, [&](auto runs) {
      launch(device(), "layernorm", {.x = cuda::blocks(rows, warps), .threads = threads}, layernorm_kernel<runs, T>,
             y.as<T>(), mean.as<float>(), rstd.as<float>(), x.as<float>(), weight.as<float>(), bias.as<float>(), rows,
             static_cast<int>(width));
    });
  });
}

void CudaBackend::layernorm_backward(Acc dx, Acc dweight, Acc dbias, In dy, In x, In mean, In rstd, In weight) {
  const Expect op("layernorm_backward");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  op.dense("x", x, rows, width);
  op.dense("dy", dy, rows, width, op.compute("dy", dy));
  op.dense("dx", dx, rows, width);
  op.flat("mean", mean, rows);
  op.flat("rstd", rstd, rows);
  op.flat("weight", weight, width);
  if (dweight) op.flat("dweight", dweight, width);
  if (dbias) op.flat("dbias", dbias, width);
  if (x.shape.size() == 0) return;

  const LayernormShares space(rows);
  const auto shares = [&](const Acc& sum) { return sum ? allocate(space.bytes(width)) : nullptr; };
  const std::shared_ptr<void> weight_shares = shares(dweight), bias_shares = shares(dbias);
  const Gradients gradients{.dx = dx.as<float>(),
                            .weight_shares = static_cast<float*>(weight_shares.get()),
                            .bias_shares = static_cast<float*>(bias_shares.get()),
                            .x = x.as<float>(),
                            .mean = mean.as<float>(),
                            .rstd = rstd.as<float>(),
                            .weight = weight.as<float>(),
                            .rows = rows,
                            .share = space.rows,
                            .width = static_cast<int>(width)};
  cuda::typed(dy.dtype, [&](auto element) {
    using T = decltype(element);
    const bool aligned = cuda::aligned(dy.as<T>(), run) && all_aligned({gradients.dx, gradients.x, gradients.weight});
    choose_runs(width, aligned, [&](auto runs) {
      const Grid grid{.x = space.count, .threads = threads};
      if constexpr (runs > 0)
        launch(device(), "layernorm_backward", grid, layernorm_backward_kernel<runs, T>, gradients, dy.as<T>());
      else
        launch(device(), "layernorm_backward", grid, layernorm_backward_any_kernel<T>, gradients, dy.as<T>());
    });
  });
  const auto add_up = [&](const Acc& sums, const float* all) {
    if (sums)
      launch(device(), "layernorm_backward", {.x = cuda::blocks(width, 32), .threads = threads}, add_shares_kernel,
             sums.as<float>(), all, static_cast<int>(space.count), static_cast<int>(width));
  };
  add_up(dweight, gradients.weight_shares);
  add_up(dbias, gradients.bias_shares);
}

}  // namespace whisper
