// The next token of sampling (core/sampling.h) and its log-probability (openai/whisper decoding.py: GreedyDecoder).
#include <algorithm>
#include <array>
#include <cmath>

#include "core/expect.h"
#include "core/sampling.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::sample(Out tokens, Out logprobs, In logits, In mask, Sampling sampling) {
  const Expect op("sample");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width();
  op.dense("logits", logits, rows, vocab);
  if (vocab < 1) fail(Code::ShapeMismatch, "sample: logits ", logits.shape, ", expected at least one column");
  op.flat("tokens", tokens, rows, DType::I32);
  op.flat("logprobs", logprobs, rows);
  if (mask) op.flat("mask", mask, vocab);
  sampling.check();
  const float* const masks = mask.as<float>();
  const auto mask_at = [&](int64_t i) { return masks ? masks + i : nullptr; };
  const int64_t share = share_of_row(vocab);

  const auto draw = [&](const float* row, float top, int64_t r) {
    std::array<double, row_shares> sums{};
    double total = 0;
    for (int64_t s = 0; s < row_shares && s * share < vocab; ++s)
      total += sums[s] = kernels_.rows.sum_of_weights(row + s * share, mask_at(s * share), top, sampling.temperature,
                                                      std::min(share, vocab - s * share));
    double target = sampling.number(static_cast<uint64_t>(r)) * total;
    const int64_t begin = share * pick(row_shares, target, [&](int64_t s) { return sums[s]; });
    // In double, where a weight that the kernel made above 0 is above 0 as well.
    return begin + pick(std::min(share, vocab - begin), target, [&](int64_t i) {
             const float x = masks ? row[begin + i] + masks[begin + i] : row[begin + i];
             return std::exp((static_cast<double>(x) - top) / sampling.temperature);
           });
  };
  cpu::parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* const row = logits.row_of<float>(r);
      const auto best = kernels_.rows.argmax(row, masks, vocab);
      const float top = masks ? row[best.index] + masks[best.index] : row[best.index];
      // The mask of what is drawn is 0.
      const int64_t token = std::isnan(best.logprob) ? best.index : draw(row, top, r);
      tokens.as<int32_t>()[r] = static_cast<int32_t>(token);
      logprobs.as<float>()[r] = std::isnan(best.logprob) ? best.logprob : (row[token] - top) + best.logprob;
    }
  });
}

}  // namespace whisper
