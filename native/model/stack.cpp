// Forward and backward of a stack of blocks.
#include "model/stack.h"

namespace whisper {

Stack::Stack(Params& p, const std::string& name, Part part, int layers, int64_t width, int heads, int64_t inner)
    : part_(part), name_(name) {
  for (int i = 0; i < layers; ++i)
    blocks_.emplace_back(p, "model." + name + ".layers." + std::to_string(i), part, width, heads, inner);
}

bool Stack::skips(const Context& c, const Block& block) const {
  return c.skips(part_ == Part::encoder ? c.rates.encoder_layerdrop : c.rates.decoder_layerdrop, block.place());
}

// A block that will be run again leaves its input on the tape and nothing else.
Tensor Stack::forward(Context& c, Tensor x, const Tensor& audio) const {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    c.check_cancel();
    if (skips(c, blocks_[i])) continue;
    if (c.checkpointing.runs_again(part_, i)) {
      c.tape.push(x);
      x = c.tape.paused([&] { return blocks_[i].forward(c, x, audio); });
    } else {
      x = blocks_[i].forward(c, x, audio);
    }
    c.observe(name_ + ".layers." + std::to_string(i), x);
  }
  return x;
}

Tensor Stack::backward(Context& c, Tensor dx, const Tensor& audio, const Tensor& daudio) const {
  for (size_t i = blocks_.size(); i-- > 0;) {
    c.check_cancel();
    if (skips(c, blocks_[i])) continue;
    if (c.checkpointing.runs_again(part_, i)) {
      auto [x] = c.tape.pop<1>();
      blocks_[i].forward(c, x, audio);
    }
    dx = blocks_[i].backward(c, dx, daudio);
  }
  return dx;
}

}  // namespace whisper
