// Gradient checkpointing: keep the input of a block and nothing else; when its gradient is wanted, run the block again.
// Costs one more forward pass, and makes memory linear in depth with a small constant (Chen et al., arXiv:1604.06174).
#pragma once
#include "model/block.h"

namespace whisper {

inline Tensor checkpointed_forward(Context& c, const Block& block, const Tensor& x, const Tensor& audio = {}) {
  c.check_cancel();
  if (!c.checkpointing) return block.forward(c, x, audio);
  c.tape.push(x);
  return c.tape.paused([&] { return block.forward(c, x, audio); });
}

inline Tensor checkpointed_backward(Context& c, const Block& block, const Tensor& dx, const Tensor& audio = {},
                                    const Tensor& daudio = {}) {
  c.check_cancel();
  if (c.checkpointing) {
    auto [x] = c.tape.pop<1>();
    block.forward(c, x, audio);
  }
  return block.backward(c, dx, daudio);
}

}  // namespace whisper
