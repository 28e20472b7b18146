// Forward, backward and cached forms of attention.
#include "model/attention.h"

namespace whisper {

Attention::Attention(Params& p, const std::string& name, Part part, int64_t width, int heads, bool causal)
    : query_(p, name + ".q_proj", part, width, width),
      key_(p, name + ".k_proj", part, width, width, /*bias=*/false),
      value_(p, name + ".v_proj", part, width, width),
      out_(p, name + ".out_proj", part, width, width),
      heads_(heads),
      causal_(causal),
      place_(stream_of(name + ".probabilities")) {}

Tensor Attention::forward(Context& c, const Tensor& x, const Tensor& source) const {
  Tensor q = query_.forward(c, x), k = key_.forward(c, source), v = value_.forward(c, source);
  Tensor o = c.like(q), lse = c.backend.empty({q.shape[0], heads_, q.shape[1]});
  c.backend.attention(o, lse, q, k, v, heads_, causal_, c.dropout(c.rates.attention_dropout, place_));
  c.tape.push(q, k, v, o, lse);
  return out_.forward(c, o);
}

Attention::Gradients Attention::backward_core(Context& c, const Tensor& dy) const {
  Tensor d_o = out_.backward(c, dy);
  auto [q, k, v, o, lse] = c.tape.pop<5>();
  Tensor dq = c.like(q), dk = c.like(k), dv = c.like(v);
  c.backend.attention_backward(dq, dk, dv, d_o, q, k, v, o, lse, heads_, causal_,
                               c.dropout(c.rates.attention_dropout, place_));
  return {dq, dk, dv};
}

Tensor Attention::backward(Context& c, const Tensor& dy) const {
  auto [dq, dk, dv] = backward_core(c, dy);
  Tensor dx = c.residual(dv.shape);
  value_.backward(c, dv, dx, /*add=*/false);
  key_.backward(c, dk, dx);
  query_.backward(c, dq, dx);
  return dx;
}

Tensor Attention::backward(Context& c, const Tensor& dy, const Tensor& dsource) const {
  auto [dq, dk, dv] = backward_core(c, dy);
  value_.backward(c, dv, dsource);
  key_.backward(c, dk, dsource);
  return query_.backward(c, dq);
}

KeyValues Attention::project(Context& c, const Tensor& source) const {
  return {key_.forward(c, source), value_.forward(c, source)};
}

Tensor Attention::over(Context& c, const Tensor& x, const KeyValues& source) const {
  Tensor q = query_.forward(c, x), o = c.like(q);
  c.backend.attention(o, Tensor(), q, source.keys, source.values, heads_, causal_, Dropout());
  return out_.forward(c, o);
}

Tensor Attention::cached(Context& c, const Tensor& x, const KeyValues& cache, int64_t position) const {
  const int64_t batch = x.shape[0], time = x.shape[1], width = x.shape[2], capacity = cache.keys.shape[1];
  const auto rows = [&](const Tensor& t, int64_t first, int64_t n) {
    return t.strided(first * width, {batch, n, width}, width, capacity * width);
  };
  key_.forward(c, x, rows(cache.keys, position, time));
  value_.forward(c, x, rows(cache.values, position, time));
  return over(c, x, {rows(cache.keys, 0, position + time), rows(cache.values, 0, position + time)});
}

}  // namespace whisper
