// The candidates of beam search: the largest log-probabilities of a row and their tokens.
//
//     tokens = the k first by core/order_key.h,  value = x[token] - log Σ exp(x[i])     with x = logits + mask
#include "core/expect.h"
#include "core/order_key.h"
#include "cuda/cuda_backend.h"
#include "cuda/scores.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = cuda::Scores<1>::threads;

// A block takes a row. Each warp keeps the largest of its share; the one whose is chosen looks for its next, in what
// the L1 cache still has.
template <int n>
__global__ void __launch_bounds__(threads, 1)
    top_k_kernel(float* values, int32_t* tokens, const float* logits, const float* mask, int64_t vocab, int k) {
  const cuda::Scores<n> x{logits + blockIdx.x * vocab, mask, vocab};
  const auto largest_below = [&](uint64_t limit) {
    uint64_t best = 0;
    x.each_of_share([&](float value, int64_t i) {
      const uint64_t key = key_of(value, i);
      if (key < limit && key > best) best = key;
    });
    return cuda::warp_reduce(best, cuda::Larger{});
  };

  uint64_t own = largest_below(~uint64_t{0}), chosen = cuda::block_max<threads>(own);
  const float top = x[index_of(chosen)];
  float sum = 0;
  x.each_of_share([&](float value, int64_t) { sum += expf(value - top); });
  const float log_total = logf(cuda::block_sum<threads>(sum));

  for (int j = 0;; chosen = cuda::block_max<threads>(own)) {
    if (threadIdx.x == 0) {
      const int64_t at = int64_t{blockIdx.x} * k + j;
      tokens[at] = index_of(chosen);
      values[at] = (x[index_of(chosen)] - top) - log_total;
    }
    if (++j == k) break;
    if (own == chosen) own = largest_below(chosen);  // the same in all lanes
  }
}

}  // namespace

void CudaBackend::top_k(Out values, Out tokens, In logits, In mask, int k) {
  const Expect op("top_k");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width();
  op.dense("logits", logits, rows, vocab);
  if (k < 1 || k > most_candidates || k > vocab)
    fail(Code::InvalidArgument, "top_k: k is ", k, ", expected 1 to ", std::min<int64_t>(most_candidates, vocab));
  op.dense("values", values, rows, k);
  op.dense("tokens", tokens, rows, k, DType::I32);
  if (mask) op.flat("mask", mask, vocab);
  if (rows == 0) return;
  cuda::choose_run_of_scores(logits.as<float>(), mask.as<float>(), vocab, [&](auto run) {
    launch(device(), "top_k", {.x = rows, .threads = threads}, top_k_kernel<run>, values.as<float>(),
           tokens.as<int32_t>(), logits.as<float>(), mask.as<float>(), vocab, k);
  });
}

}  // namespace whisper
