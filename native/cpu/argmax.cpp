// The next token of greedy decoding and its log-probability. A NaN counts as the largest value, as in torch.argmax, so
// that a model that has diverged shows; the log-probability is then NaN, and also where the mask leaves no token.
#include "core/expect.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::argmax(Out tokens, Out logprobs, In logits, In mask) {
  const Expect op("argmax");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width();
  op.dense("logits", logits, rows, vocab);
  if (vocab < 1) fail(Code::ShapeMismatch, "argmax: logits ", logits.shape, ", expected at least one column");
  op.flat("tokens", tokens, rows, DType::I32);
  op.flat("logprobs", logprobs, rows);
  if (mask) op.flat("mask", mask, vocab);
  cpu::parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const auto best = kernels_.rows.argmax(logits.row_of<float>(r), mask.as<float>(), vocab);
      tokens.as<int32_t>()[r] = static_cast<int32_t>(best.index);
      logprobs.as<float>()[r] = best.logprob;
    }
  });
}

}  // namespace whisper
