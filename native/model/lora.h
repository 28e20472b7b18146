// Low-rank adapters (Hu et al., "LoRA", arXiv:2106.09685) of linear layers, as PEFT has them:
// y = x·Wᵀ + b + scale·dropout(x)·Aᵀ·Bᵀ, where only A and B are trained.
#pragma once
#include "model/context.h"
#include "model/params.h"

namespace whisper {

class LowRank {
 public:
  // Of the linear layer `name`, whose weight is [out, in].
  LowRank(Params& p, const std::string& name, Param& weight, Part part);

  // Whether there is something to add: not any more once the weight has it (Whisper::merge_adapters).
  explicit operator bool() const { return !adapter_.merged; }
  bool trained() const { return static_cast<bool>(adapter_.a.grad); }

  // y += scale·dropout(x)·Aᵀ·Bᵀ, y's rows may be spaced; records scale·dropout(x)·Aᵀ.
  void forward(Context& c, const Tensor& x, const Tensor& y) const;
  // Gradients of A and B; writes the share of dx, or adds it. An absent dx is not computed. x is forward's.
  void backward(Context& c, const Tensor& dy, const Tensor& x, const Tensor& dx, bool add) const;

 private:
  Dropout dropout(Context& c) const { return c.dropout(adapter_.dropout, place_); }
  const Adapter& adapter_;
  uint64_t place_;  // of the dropout
};

}  // namespace whisper
