// Forward and backward of the plain layers.
#include "model/layers.h"

namespace whisper {

// --- Linear ---------------------------------------------------------------------------------------------------------

Linear::Linear(Params& p, const std::string& name, Part part, int64_t in, int64_t out, bool bias)
    : weight_(p.add(name + ".weight", {out, in}, part, Role::weight)),
      bias_(bias ? &p.add(name + ".bias", {out}, part, Role::vector) : nullptr) {
  if (p.adapts(name)) adapter_.emplace(p, name, weight_, part);
}

void Linear::remember(Context& c, const Tensor& x) const {
  if (trained()) c.tape.push(x);
}

Tensor Linear::recall(Context& c) const {
  if (!trained()) return {};
  auto [x] = c.tape.pop<1>();
  return x;
}

Tensor Linear::forward(Context& c, const Tensor& x) const {
  Tensor y = c.activation({x.shape[0], x.shape[1], weight_.shape[0]});
  forward(c, x, y);
  remember(c, x);
  return y;
}

void Linear::forward(Context& c, const Tensor& x, const Tensor& y) const {
  c.backend.linear(y, x, weight_.value, bias());
  if (adapted()) adapter_->forward(c, x, y);
}

Tensor Linear::backward(Context& c, const Tensor& dy) const {
  Tensor dx = c.activation({dy.shape[0], dy.shape[1], weight_.shape[1]});
  backward(c, dy, dx, /*add=*/false);
  return dx;
}

void Linear::backward(Context& c, const Tensor& dy, const Tensor& dx, bool add) const {
  const Tensor x = recall(c);
  if (adapted()) {
    adapter_->backward(c, dy, x, dx, add);
    add = true;
  }
  const Tensor dbias = bias_ ? bias_->grad : Tensor();
  if (dx || weight_.grad || dbias) c.backend.linear_backward(dx, weight_.grad, dbias, dy, x, weight_.value, add);
}

Tensor Linear::forward_gelu(Context& c, const Tensor& x, const Tensor& y) const {
  Tensor h = c.activation({x.shape[0], x.shape[1], weight_.shape[0]});
  if (adapted()) {
    forward(c, x, h);
    c.backend.gelu(y, h);
  } else {
    c.backend.linear_gelu(y, h, x, weight_.value, bias());
  }
  remember(c, x);
  c.tape.push(h);
  return h;
}

Tensor Linear::backward_gelu(Context& c, const Tensor& dy) const {
  const Tensor x = recall(c);
  auto [h] = c.tape.pop<1>();
  Tensor dh = c.like(h);
  c.backend.linear_gelu_backward(dh, dy, weight_.value, h);
  if (weight_.grad)
    c.backend.linear_backward(Tensor(), weight_.grad, bias_ ? bias_->grad : Tensor(), dy, x, weight_.value,
                              /*add=*/false);
  return dh;
}

// --- Convolution ----------------------------------------------------------------------------------------------------

Convolution::Convolution(Params& p, const std::string& name, Part part, int64_t in, int64_t out, int stride)
    : linear_(p.add(name + ".weight", {out, 3 * in}, part, Role::weight, Layout::taps),
              &p.add(name + ".bias", {out}, part, Role::vector)),
      stride_(stride) {}

Tensor Convolution::windows(const Tensor& padded) const {
  const int64_t batch = padded.shape[0], time = padded.shape[1] - 2, in = padded.shape[2];
  return padded.strided(0, {batch, (time - 1) / stride_ + 1, 3 * in}, stride_ * in, (time + 2) * in);
}

void Convolution::forward_gelu(Context& c, const Tensor& padded, const Tensor& y) const {
  linear_.forward_gelu(c, windows(padded), y);
}

Tensor Convolution::backward(Context& c, const Tensor& dy, int64_t padded_time) const {
  Tensor dwindows = linear_.backward(c, dy);
  Tensor dx = c.activation({dwindows.shape[0], padded_time, dwindows.shape[2] / 3});
  c.backend.fold(dx, dwindows, stride_);
  return dx;
}

void Convolution::backward_weights(Context& c, const Tensor& dy) const { linear_.backward(c, dy, {}); }

Tensor interior(const Tensor& padded) {
  const int64_t width = padded.shape[2];
  return padded.strided(width, {padded.shape[0], padded.shape[1] - 2, width}, width, padded.shape[1] * width);
}

// --- LayerNorm ------------------------------------------------------------------------------------------------------

LayerNorm::LayerNorm(Params& p, const std::string& name, Part part, int64_t width)
    : weight_(p.add(name + ".weight", {width}, part, Role::vector)),
      bias_(p.add(name + ".bias", {width}, part, Role::vector)) {}

Tensor LayerNorm::forward(Context& c, const Tensor& x) const {
  Tensor mean = c.rows(x), rstd = c.rows(x);
  Tensor y = c.recomputable([this, &c, x, mean, rstd] {
    Tensor y = c.activation(x.shape);
    c.backend.layernorm(y, mean, rstd, x, weight_.value, bias_.value);
    return y;
  });
  c.tape.push(x, mean, rstd);
  return y;
}

void LayerNorm::backward(Context& c, const Tensor& dy, const Tensor& dx) const {
  auto [x, mean, rstd] = c.tape.pop<3>();
  c.backend.layernorm_backward(dx, weight_.grad, bias_.grad, dy, x, mean, rstd, weight_.value);
}

// --- Mlp ------------------------------------------------------------------------------------------------------------

Mlp::Mlp(Params& p, const std::string& name, Part part, int64_t width, int64_t inner)
    : fc1_(p, name + ".fc1", part, width, inner),
      fc2_(p, name + ".fc2", part, inner, width),
      place_(stream_of(name + ".activation")) {}

Tensor Mlp::forward(Context& c, const Tensor& x) const {
  Tensor a = c.activation({x.shape[0], x.shape[1], fc1_.outputs()}), h = fc1_.forward_gelu(c, x, a);
  const Dropout how = c.dropout(c.rates.activation_dropout, place_);
  a = c.recomputable(c.dropped(a, how), [&c, h, how] {
    Tensor a = c.like(h);
    c.backend.gelu(a, h);
    return c.dropped(a, how);
  });
  return fc2_.forward(c, a);
}

Tensor Mlp::backward(Context& c, const Tensor& dy) const {
  const Dropout how = c.dropout(c.rates.activation_dropout, place_);
  if (!how && !fc2_.adapted()) return fc1_.backward(c, fc2_.backward_gelu(c, dy));
  Tensor da = c.dropped(fc2_.backward(c, dy), how), dh = c.like(da);
  auto [h] = c.tape.pop<1>();
  c.backend.gelu_backward(dh, da, h);
  return fc1_.backward(c, dh);
}

}  // namespace whisper
