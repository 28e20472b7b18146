// Which tokens may follow where text comes with timestamps (core/timestamp_rules.h).
#include "core/timestamp_rules.h"

#include <algorithm>
#include <limits>

#include "core/expect.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::timestamp_rules(Acc logits, In past, In mask, TimestampRules rules) {
  const Expect op("timestamp_rules");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width(), length = past ? past.shape.width() : 0;
  op.dense("logits", logits, rows, vocab);
  if (length > 0) op.strided("past", past, rows, length, DType::I32);
  if (mask) op.flat("mask", mask, vocab);
  rules.check(vocab);

  // Of tokens [begin, end) of a row, where there are any, the largest and the logarithm of the sum of exp.
  struct Sums {
    float largest, log_sum;
  };
  const auto sums = [&](const float* row, int64_t begin, int64_t end) -> Sums {
    const float* const masks = mask ? mask.as<float>() + begin : nullptr;
    const auto best = kernels_.rows.argmax(row + begin, masks, end - begin);
    const float largest = row[begin + best.index] + (masks ? masks[best.index] : 0);
    return {largest, largest - best.logprob};
  };
  cpu::parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      float* const row = logits.row_of<float>(r);
      const int32_t* const tokens = length > 0 ? past.row_of<int32_t>(r) : nullptr;
      int64_t latest = length - 1;
      while (latest >= 0 && tokens[latest] < rules.begin) --latest;
      const auto [text, first, last] = rules.allowed(tokens, length, latest, vocab);
      const auto forbid = [&](int64_t from, int64_t to) {
        std::fill(row + from, row + to, -std::numeric_limits<float>::infinity());
      };
      forbid(0, text), forbid(rules.begin, first), forbid(last, vocab);
      forbid(rules.no_timestamps, rules.no_timestamps + 1);
      if (text == rules.begin || first == last) continue;
      if (sums(row, first, last).log_sum > sums(row, text, rules.begin).largest) forbid(text, rules.begin);
    }
  });
}

}  // namespace whisper
