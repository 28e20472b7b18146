// The next token of greedy decoding and its log-probability. A NaN counts as the largest value, as in torch.argmax, so
// that a model that has diverged shows; the log-probability is then NaN, and also where the mask leaves no token.
//
//     token = the lowest i of the largest x[i],  logprob = -log Σ exp(x[i] - x[token])     with x = logits + mask
#include "core/expect.h"
#include "core/order_key.h"
#include "cuda/cuda_backend.h"
#include "cuda/reduce.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 1024;

// A block takes a row.
__global__ void __launch_bounds__(threads)
    argmax_kernel(int32_t* tokens, float* logprobs, const float* logits, const float* mask, int64_t vocab) {
  const float* row = logits + blockIdx.x * vocab;
  const auto value = [&](int64_t i) { return mask ? row[i] + mask[i] : row[i]; };

  uint64_t best = 0;
#pragma unroll 8
  for (int64_t i = threadIdx.x; i < vocab; i += threads) best = cuda::Larger{}(best, key_of(value(i), i));
  const int32_t token = index_of(cuda::block_max<threads>(best));

  const float top = value(token);
  float sum = 0;
#pragma unroll 8
  for (int64_t i = threadIdx.x; i < vocab; i += threads) sum += expf(value(i) - top);
  const float total = cuda::block_sum<threads>(sum);
  if (threadIdx.x == 0) tokens[blockIdx.x] = token, logprobs[blockIdx.x] = -logf(total);
}

}  // namespace

void CudaBackend::argmax(Out tokens, Out logprobs, In logits, In mask) {
  const Expect op("argmax");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width();
  op.dense("logits", logits, rows, vocab);
  if (vocab < 1) fail(Code::ShapeMismatch, "argmax: logits ", logits.shape, ", expected at least one column");
  op.flat("tokens", tokens, rows, DType::I32);
  op.flat("logprobs", logprobs, rows);
  if (mask) op.flat("mask", mask, vocab);
  if (rows == 0) return;
  launch(device(), "argmax", {.x = rows, .threads = threads}, argmax_kernel, tokens.as<int32_t>(), logprobs.as<float>(),
         logits.as<float>(), mask.as<float>(), vocab);
}

}  // namespace whisper
