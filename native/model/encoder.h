// The encoder: two convolutions, fixed sinusoidal positions, blocks, a layer norm.
#pragma once
#include <deque>

#include "model/block.h"
#include "model/dims.h"

namespace whisper {

class Encoder {
 public:
  Encoder(Params& p, const Dims& dims);

  Tensor forward(Context& c,
                 const Tensor& features) const;  // [B, frames + 2, mels], zero rows at both ends -> [B, source, width]
  void backward(Context& c, const Tensor& dy) const;

 private:
  Convolution conv1_, conv2_;
  Param& positions_;
  std::deque<Block> blocks_;
  LayerNorm ln_;
  int64_t frames_, width_;
};

}  // namespace whisper
