// Token and position embeddings: y[b, t] = table[token] + positions[first + t], and their gradients.
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/fault.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 128, warps = threads / 32;

struct Tokens {
  const int32_t* at;
  int count, time;  // in all, and of a row
  int vocab;
};

template <int n>
GPU_FUNCTION void add_to(float (&sum)[n], const float* row) {
  float x[n];
  cuda::load_run(x, row);
#pragma unroll
  for (int j = 0; j < n; ++j) sum[j] += x[j];
}

template <int n, class T>
__global__ void __launch_bounds__(threads)
    embed_kernel(float* y, Tokens tokens, const T* table, const float* positions, int width, cuda::Fault* fault) {
  cuda::take_run_of_rows<n>(tokens.count, width, [&](int64_t row, int64_t column, auto run) {
    const int32_t token = tokens.at[row];
    const int64_t position = row % tokens.time;
    if (token < 0 || token >= tokens.vocab) {
      if (column == 0) cuda::report(fault, cuda::FaultKind::token, token, row / tokens.time, position, tokens.vocab);
      return;
    }
    float sum[run];
    cuda::load_run(sum, table + token * int64_t{width} + column);
    add_to(sum, positions + position * width + column);
    cuda::store_run(y + row * width + column, sum);
  });
}

constexpr int looks = 8;                  // tokens that a thread looks at before the block says what it saw
constexpr int stretch = threads * looks;  // and the block

// Whether a token occurs before position `end`, looked for from there backwards, for what is frequent was here lately.
GPU_FUNCTION bool occurs_before(const Tokens& tokens, int end, int32_t token) {
  SHARED_ARRAY(int, seen, [warps]);
  const int thread = static_cast<int>(threadIdx.x);
  for (; end > 0; end -= stretch) {
    bool found = false;
#pragma unroll
    for (int i = 0; i < looks; ++i)
      if (const int at = end - 1 - i * threads - thread; at >= 0) found |= tokens.at[at] == token;
    found = __any_sync(0xffffffff, found);
    if (thread % 32 == 0) seen[thread / 32] = found;
    __syncthreads();
    bool anywhere = false;
    for (int warp = 0; warp < warps; ++warp) anywhere |= seen[warp] != 0;
    __syncthreads();
    if (anywhere) return true;
  }
  return false;
}

// Where a token occurs from `begin` to before begin + stretch, in order: writes the positions and returns their number.
GPU_FUNCTION int occurrences(const Tokens& tokens, int begin, int32_t token, int* positions) {
  SHARED_ARRAY(int, counts, [warps]);
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int first = begin + warp * looks * 32;  // a warp looks at tokens in a row
  unsigned found[looks];
  int count = 0;
#pragma unroll
  for (int i = 0; i < looks; ++i) {
    const int at = first + i * 32 + lane;
    found[i] = __ballot_sync(0xffffffff, at < tokens.count && tokens.at[at] == token);
    count += __popc(found[i]);
  }
  if (lane == 0) counts[warp] = count;
  __syncthreads();
  int to = 0, all = 0;
  for (int w = 0; w < warps; ++w) {
    if (w < warp) to += counts[w];
    all += counts[w];
  }
#pragma unroll
  for (int i = 0; i < looks; ++i) {
    if (found[i] >> lane & 1) positions[to + __popc(found[i] & ((1u << lane) - 1))] = first + i * 32 + lane;
    to += __popc(found[i]);
  }
  __syncthreads();
  return all;
}

// A block for every position. That of a token's first occurrence adds the rows of all its occurrences, in their order;
// the others have nothing to do.
template <int n>
__global__ void __launch_bounds__(threads, 8)
    embed_table_kernel(float* dtable, const float* dy, Tokens tokens, int width, int padding, cuda::Fault* fault) {
  const int position = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int32_t token = tokens.at[position];
  if (token < 0 || token >= tokens.vocab) {
    if (thread == 0)
      cuda::report(fault, cuda::FaultKind::gradient_token, token, position / tokens.time, position % tokens.time,
                   tokens.vocab);
    return;
  }
  if (token == padding || occurs_before(tokens, position, token)) return;

  SHARED_ARRAY(int, positions, [stretch]);
  float* const row = dtable + token * int64_t{width};
  for (int begin = position; begin < tokens.count; begin += stretch) {
    const int count = occurrences(tokens, begin, token, positions);
    if (count > 0)
      for (int column = thread * n; column < width; column += threads * n) {
        float sum[n];
        cuda::load_run(sum, row + column);
#pragma unroll 4
        for (int i = 0; i < count; ++i) add_to(sum, dy + int64_t{positions[i]} * width + column);
        cuda::store_run(row + column, sum);
      }
    __syncthreads();  // before the positions are overwritten
  }
}

template <int n>
__global__ void __launch_bounds__(threads)
    embed_positions_kernel(float* dpositions, const float* dy, int64_t batch, int64_t time, int64_t width) {
  cuda::take_run_of_rows<n>(time, width, [&](int64_t t, int64_t column, auto run) {
    float sum[run];
    cuda::load_run(sum, dpositions + t * width + column);
#pragma unroll 4
    for (int64_t b = 0; b < batch; ++b) add_to(sum, dy + (b * time + t) * width + column);
    cuda::store_run(dpositions + t * width + column, sum);
  });
}

Tokens tokens_of(const In& tokens, int64_t vocab) {
  return {tokens.as<int32_t>(), static_cast<int>(tokens.shape.size()), static_cast<int>(tokens.shape.width()),
          static_cast<int>(vocab)};
}

}  // namespace

void CudaBackend::embed(Out y, In tokens, In table, In positions, int first) {
  const Expect op("embed");
  const int64_t rows = tokens.shape.size(), time = tokens.shape.width(), width = table.shape.width();
  op.flat("tokens", tokens, rows, DType::I32);
  op.dense("table", table, table.shape.rows(), width, op.compute("table", table));
  if (first < 0) fail(Code::InvalidArgument, "embed: first is ", first, ", expected 0 or more");
  op.table("positions", positions, first + time, width);
  op.dense("y", y, rows, width);
  if (rows * width == 0) return;
  const float* from = positions.row_of<float>(first);
  cuda::typed(table.dtype, [&](auto element) {
    using T = decltype(element);
    const bool aligned =
        width % 4 == 0 && cuda::aligned(y.as<float>(), 4) && cuda::aligned(table.as<T>(), 4) && cuda::aligned(from, 4);
    cuda::choose_run<4>(aligned, [&](auto run) {
      launch(device(), "embed", {.x = cuda::blocks(cuda::runs_of_rows(rows, width, run), threads), .threads = threads},
             embed_kernel<run, T>, y.as<float>(), tokens_of(tokens, table.shape.rows()), table.as<T>(), from,
             static_cast<int>(width), fault());
    });
  });
}

void CudaBackend::embed_backward(Acc dtable, Acc dpositions, In dy, In tokens, int padding) {
  const Expect op("embed_backward");
  const int64_t rows = tokens.shape.size(), time = tokens.shape.width(), width = dy.shape.width();
  op.flat("tokens", tokens, rows, DType::I32);
  op.dense("dy", dy, rows, width);
  if (dtable) op.table("dtable", dtable, 0, width);
  if (dpositions) op.table("dpositions", dpositions, time, width);
  if (rows * width == 0) return;
  const auto choose = [&](const Acc& sums, auto f) {
    const bool aligned = width % 4 == 0 && cuda::aligned(sums.as<float>(), 4) && cuda::aligned(dy.as<float>(), 4);
    cuda::choose_run<4>(aligned, f);
  };
  if (dtable)
    choose(dtable, [&](auto run) {
      launch(device(), "embed_backward", {.x = rows, .threads = threads}, embed_table_kernel<run>, dtable.as<float>(),
             dy.as<float>(), tokens_of(tokens, dtable.shape.rows()), static_cast<int>(width), padding, fault());
    });
  if (dpositions)
    choose(dpositions, [&](auto run) {
      launch(device(), "embed_backward",
             {.x = cuda::blocks(cuda::runs_of_rows(time, width, run), threads), .threads = threads},
             embed_positions_kernel<run>, dpositions.as<float>(), dy.as<float>(), rows / time, time, width);
    });
}

}  // namespace whisper
