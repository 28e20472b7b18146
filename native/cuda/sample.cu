// The next token of sampling and its log-probability (openai/whisper decoding.py: GreedyDecoder).
//
//     w[i] = exp((x[i] - max x) / temperature),  token = the first t with Σ w[0..t] > u·Σ w,  with x = logits + mask
//     logprob = x[token] - log Σ exp(x[i])
//
// u and the order of the sums are core/sampling.h's: a warp sums a share, and one warp then 32 parts of the share in
// which the token is.
#include "core/expect.h"
#include "core/order_key.h"
#include "core/sampling.h"
#include "cuda/cuda_backend.h"
#include "cuda/scores.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = cuda::Scores<1>::threads;

// A block takes a row.
template <int n>
__global__ void __launch_bounds__(threads, 1) sample_kernel(int32_t* tokens, float* logprobs, const float* logits,
                                                            const float* mask, int64_t vocab, Sampling sampling) {
  SHARED_ARRAY(double, shares, [row_shares]);
  SHARED_ARRAY(double, parts, [32]);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const cuda::Scores<n> x{logits + blockIdx.x * vocab, mask, vocab};

  uint64_t best = 0;
  x.each_of_share([&](float value, int64_t i) { best = cuda::Larger{}(best, key_of(value, i)); });
  const int32_t best_token = index_of(cuda::block_max<threads>(best));

  const float top = x[best_token];
  const auto weight = [&](float value) { return expf((value - top) / sampling.temperature); };
  float sum = 0, weights = 0;
  x.each_of_share([&](float value, int64_t) { sum += expf(value - top), weights += weight(value); });
  const double share_sum = cuda::warp_sum(static_cast<double>(weights));
  if (lane == 0) shares[warp] = share_sum;
  const float log_total = logf(cuda::block_sum<threads>(sum));  // a barrier as well
  if (warp > 0) return;

  int64_t token = best_token;
  if (log_total == log_total) {  // there is a softmax
    const int64_t share = share_of_row(vocab), used = (vocab + share - 1) / share;
    double total = 0;
    for (int64_t s = 0; s < used; ++s) total += shares[s];
    double target = sampling.number(blockIdx.x) * total;
    const int64_t begin = share * pick(used, target, [&](int64_t s) { return shares[s]; });

    const int64_t end = min(begin + share, vocab), part = share / 32, own = begin + lane * part;
    float part_sum = 0;
    x.each(own, min(own + part, end), 1, [&](float value, int64_t) { part_sum += weight(value); });
    parts[lane] = part_sum;
    __syncwarp();
    token = begin + part * pick((end - begin + part - 1) / part, target, [&](int64_t p) { return parts[p]; });
    token += pick(min(part, end - token), target, [&](int64_t i) { return weight(x[token + i]); });
  }
  if (lane == 0) {
    tokens[blockIdx.x] = static_cast<int32_t>(token);
    logprobs[blockIdx.x] = (x[token] - top) - log_total;
  }
}

}  // namespace

void CudaBackend::sample(Out tokens, Out logprobs, In logits, In mask, Sampling sampling) {
  const Expect op("sample");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width();
  op.dense("logits", logits, rows, vocab);
  if (vocab < 1) fail(Code::ShapeMismatch, "sample: logits ", logits.shape, ", expected at least one column");
  op.flat("tokens", tokens, rows, DType::I32);
  op.flat("logprobs", logprobs, rows);
  if (mask) op.flat("mask", mask, vocab);
  sampling.check();
  if (rows == 0) return;
  cuda::choose_run_of_scores(logits.as<float>(), mask.as<float>(), vocab, [&](auto run) {
    launch(device(), "sample", {.x = rows, .threads = threads}, sample_kernel<run>, tokens.as<int32_t>(),
           logprobs.as<float>(), logits.as<float>(), mask.as<float>(), vocab, sampling);
  });
}

}  // namespace whisper
