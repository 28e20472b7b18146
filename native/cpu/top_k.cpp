// The candidates of beam search: the largest log-probabilities of a row and their tokens.
#include <array>

#include "core/expect.h"
#include "core/order_key.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::top_k(Out values, Out tokens, In logits, In mask, int k) {
  const Expect op("top_k");
  const int64_t rows = logits.shape.rows(), vocab = logits.shape.width();
  op.dense("logits", logits, rows, vocab);
  if (k < 1 || k > most_candidates || k > vocab)
    fail(Code::InvalidArgument, "top_k: k is ", k, ", expected 1 to ", std::min<int64_t>(most_candidates, vocab));
  op.dense("values", values, rows, k);
  op.dense("tokens", tokens, rows, k, DType::I32);
  if (mask) op.flat("mask", mask, vocab);
  const float* const masks = mask.as<float>();
  cpu::parallel_for(rows, 1, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* const row = logits.row_of<float>(r);
      const auto value = [&](int64_t i) { return masks ? row[i] + masks[i] : row[i]; };
      std::array<uint64_t, most_candidates> best{};  // in descending order; 0: none yet
      for (int64_t i = 0; i < vocab; ++i) {
        uint64_t key = key_of(value(i), i);
        if (key < best[k - 1]) continue;
        for (int j = 0; j < k; ++j)
          if (key > best[j]) std::swap(key, best[j]);
      }
      const auto largest = kernels_.rows.argmax(row, masks, vocab);
      const float top = value(largest.index);
      for (int j = 0; j < k; ++j) {
        const int32_t token = index_of(best[j]);
        tokens.row_of<int32_t>(r)[j] = token;
        values.row_of<float>(r)[j] = (value(token) - top) + largest.logprob;
      }
    }
  });
}

}  // namespace whisper
