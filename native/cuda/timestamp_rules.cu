// Which tokens may follow where text comes with timestamps (core/timestamp_rules.h).
//
//     logits = -∞ for what is not allowed, and for all text if log Σ exp(x[timestamps]) > max x[text], x = logits +
//     mask
#include "core/expect.h"
#include "core/timestamp_rules.h"
#include "cuda/cuda_backend.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 1024;

// NaN if one is.
struct LargerOrNan {
  GPU_FUNCTION float operator()(float a, float b) const { return a > b || a != a ? a : b; }
};

// f(i) for the elements of [begin, end) that a thread takes.
template <class F>
GPU_FUNCTION void each(int64_t begin, int64_t end, F f) {
#pragma unroll 8
  for (int64_t i = begin + threadIdx.x; i < end; i += threads) f(i);
}

// A block takes a row.
__global__ void __launch_bounds__(threads)
    timestamp_rules_kernel(float* logits, cuda::RowsOf<const int32_t> past, int64_t length, const float* mask,
                           int64_t vocab, TimestampRules rules) {
  float* row = logits + blockIdx.x * vocab;
  const int32_t* tokens = past.row(blockIdx.x);
  int64_t latest = -1;
  each(0, length, [&](int64_t i) {
    if (tokens[i] >= rules.begin) latest = i;
  });
  latest = cuda::block_max<threads>(latest);

  const auto [text, first, last] = rules.allowed(tokens, length, latest, vocab);
  const auto forbid = [&](int64_t begin, int64_t end) { each(begin, end, [&](int64_t i) { row[i] = -INFINITY; }); };
  forbid(0, text), forbid(rules.begin, first), forbid(last, vocab);
  forbid(rules.no_timestamps, rules.no_timestamps + 1);
  __syncthreads();

  const auto x = [&](int64_t i) { return mask ? row[i] + mask[i] : row[i]; };
  const auto largest = [&](int64_t begin, int64_t end) {
    float top = -INFINITY;
    each(begin, end, [&](int64_t i) { top = LargerOrNan{}(top, x(i)); });
    return cuda::block_reduce<threads>(top, LargerOrNan{});
  };
  const float text_top = largest(text, rules.begin), top = largest(first, last);
  float sum = 0;
  each(first, last, [&](int64_t i) { sum += expf(x(i) - top); });
  const float total = cuda::block_sum<threads>(sum);
  if (top + logf(total) > text_top) forbid(text, rules.begin);
}

}  // namespace

void CudaBackend::timestamp_rules(Acc logits, In past, In mask, TimestampRules rules) {
  const Expect op("timestamp_rules");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width(), length = past ? past.shape.width() : 0;
  op.dense("logits", logits, rows, vocab);
  if (length > 0) op.strided("past", past, rows, length, DType::I32);
  if (mask) op.flat("mask", mask, vocab);
  rules.check(vocab);
  if (rows == 0) return;
  launch(device(), "timestamp_rules", {.x = rows, .threads = threads}, timestamp_rules_kernel, logits.as<float>(),
         cuda::RowsOf<const int32_t>(past), length, mask.as<float>(), vocab, rules);
}

}  // namespace whisper
