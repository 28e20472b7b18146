// The layers a Whisper block is made of: linear, convolution, layer norm, multi-layer perceptron.
#pragma once
#include <optional>
#include <string>

#include "model/context.h"
#include "model/lora.h"
#include "model/params.h"

namespace whisper {

// y = x·Wᵀ + b, and what a low-rank adapter adds
class Linear {
 public:
  Linear(Params& p, const std::string& name, Part part, int64_t in, int64_t out, bool bias = true);

  Tensor forward(Context& c, const Tensor& x) const;  // [B, T, in] -> [B, T, out]
  void forward(Context& c, const Tensor& x,
               const Tensor& y) const;                  // into y, whose rows may be spaced; does not record x
  Tensor backward(Context& c, const Tensor& dy) const;  // returns dx
  // Adds to dx, or overwrites it; an absent dx is not computed.
  void backward(Context& c, const Tensor& dy, const Tensor& dx, bool add = true) const;

  // With the GELU behind the layer, y = GELU(h), h = x·Wᵀ + b: writes y, returns and records h.
  Tensor forward_gelu(Context& c, const Tensor& x, const Tensor& y) const;
  // Of a layer without an adapter whose input is GELU(h), behind whose forward_gelu() nothing else was recorded:
  // returns dh.
  Tensor backward_gelu(Context& c, const Tensor& dy) const;

  int64_t outputs() const { return weight_.shape[0]; }
  bool adapted() const { return adapter_ && *adapter_; }
  bool trained() const { return weight_.grad || (adapter_ && adapter_->trained()); }

 private:
  friend class Convolution;
  Linear(Param& weight, Param* bias) : weight_(weight), bias_(bias) {}
  // What forward() records of its input, and where backward() gets it back: only gradients of factors need it.
  void remember(Context& c, const Tensor& x) const;
  Tensor recall(Context& c) const;
  Tensor bias() const { return bias_ ? bias_->value : Tensor(); }
  Param& weight_;
  Param* bias_;
  std::optional<LowRank> adapter_;
};

// A convolution of three taps along time is a linear layer whose rows overlap: with one zero row at each end, output
// row t sees the 3·in contiguous numbers from input row t·stride.
class Convolution {
 public:
  Convolution(Params& p, const std::string& name, Part part, int64_t in, int64_t out, int stride);

  // [B, time + 2, in] -> [B, (time - 1) / stride + 1, out], activated by GELU into y; records GELU's input last.
  void forward_gelu(Context& c, const Tensor& padded, const Tensor& y) const;
  Tensor backward(Context& c, const Tensor& dy, int64_t padded_time) const;  // returns d(padded)
  void backward_weights(Context& c, const Tensor& dy) const;                 // the input's gradient is not wanted
  bool trained() const { return linear_.trained(); }

 private:
  Tensor windows(const Tensor& padded) const;
  Linear linear_;
  int stride_;
};

// The rows of a padded [B, time + 2, C] between its two zero rows: [B, time, C].
Tensor interior(const Tensor& padded);

// y = (x - mean)·rstd·weight + bias
class LayerNorm {
 public:
  LayerNorm(Params& p, const std::string& name, Part part, int64_t width);
  Tensor forward(Context& c, const Tensor& x) const;
  void backward(Context& c, const Tensor& dy, const Tensor& dx) const;  // adds to dx

 private:
  Param &weight_, &bias_;
};

// fc2(dropout(GELU(fc1(x))))
class Mlp {
 public:
  Mlp(Params& p, const std::string& name, Part part, int64_t width, int64_t inner);
  Tensor forward(Context& c, const Tensor& x) const;
  Tensor backward(Context& c, const Tensor& dy) const;

 private:
  Linear fc1_, fc2_;
  uint64_t place_;  // of the dropout behind GELU
};

}  // namespace whisper
