// The sizes of a call of attention or attention_backward, checked against each other (ops.def).
#pragma once
#include <cmath>

#include "core/expect.h"

namespace whisper {

struct AttentionSize {
  int64_t batch, heads, time, source, width;  // width: of a head
  bool causal;
  float scale;
  DType type;  // of every operand but lse
  Dropout dropout;

  // Checks q, k and v against each other, and the dropout.
  AttentionSize(const Expect& op, const char* name, const In& q, const In& k, const In& v, int heads, bool causal,
                const Dropout& dropout)
      : batch(q.shape[0]),
        heads(heads),
        time(q.shape[1]),
        source(k.shape[1]),
        causal(causal),
        type(op.compute("q", q)),
        dropout(dropout) {
    op.rate(dropout);
    op.rank("q", q, 3);
    op.rank("k", k, 3);
    op.rank("v", v, 3);
    const int64_t all = q.shape[2];
    if (heads < 1 || all % heads) fail(Code::ShapeMismatch, name, ": ", heads, " heads do not divide rows of ", all);
    if (k.shape[0] != batch) fail(Code::ShapeMismatch, name, ": k ", k.shape, ", expected a batch of ", batch);
    if (v.shape[0] != batch) fail(Code::ShapeMismatch, name, ": v ", v.shape, ", expected a batch of ", batch);
    op.strided("q", q, batch * time, all, type);
    op.strided("k", k, batch * source, all, type);
    op.strided("v", v, batch * source, all, type);
    if (source < (causal ? time : 1))
      fail(Code::ShapeMismatch, name, ": k ", k.shape, ", expected at least ", causal ? time : 1,
           " keys for each batch entry");
    width = all / heads;
    scale = 1.0f / std::sqrt(static_cast<float>(width));
  }

  // Query t sees the keys below this, at least one; the next query of a causal attention one more.
  constexpr int64_t visible(int64_t t) const { return causal ? source - time + t + 1 : source; }
  // The first query that sees key s.
  constexpr int64_t first_to_see(int64_t s) const {
    const int64_t before = s - (source - time);
    return causal && before > 0 ? before : 0;
  }
  // The number of a probability in the dropout's sequence; heads are counted through the batch.
  constexpr uint64_t number(int64_t head, int64_t t, int64_t s) const {
    return (static_cast<uint64_t>(head) * static_cast<uint64_t>(time) + static_cast<uint64_t>(t)) *
               static_cast<uint64_t>(source) +
           static_cast<uint64_t>(s);
  }
};

}  // namespace whisper
