// The encoder: two convolutions, sinusoidal positions, blocks, a layer norm.
#pragma once
#include "model/dims.h"
#include "model/stack.h"

namespace whisper {

class Encoder {
 public:
  Encoder(Params& p, const Dims& dims);

  // Features [B, frames + 2, mels], zero rows at both ends -> [B, source, width]
  Tensor forward(Context& c, Tensor features) const;
  void backward(Context& c, const Tensor& dy) const;

 private:
  Tensor embed(Context& c, Tensor features) const;  // [B, frames + 2, mels] -> [B, source, width]
  void convolutions_backward(Context& c, const Tensor& dx) const;
  bool trains_embedding() const { return conv1_.trained() || positions_.grad; }

  Convolution conv1_, conv2_;
  Param& positions_;
  Stack blocks_;
  LayerNorm ln_;
  int64_t frames_, width_;
  uint64_t place_;  // of the dropout behind the positions
};

}  // namespace whisper
