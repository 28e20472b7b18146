// The block reads like its equation; its backward is the forward read upwards.
#include "model/block.h"

namespace whisper {

Block::Block(Params& p, const std::string& name, Part part, int64_t width, int heads, int64_t inner)
    : attn_ln_(p, name + ".self_attn_layer_norm", part, width),
      attn_(p, name + ".self_attn", part, width, heads, /*causal=*/part == Part::decoder),
      mlp_ln_(p, name + ".final_layer_norm", part, width),
      mlp_(p, name, part, width, inner),
      place_(stream_of(name)) {
  if (part == Part::decoder) {
    cross_ln_.emplace(p, name + ".encoder_attn_layer_norm", part, width);
    cross_.emplace(p, name + ".encoder_attn", part, width, heads, /*causal=*/false);
  }
}

Tensor Block::forward(Context& c, Tensor x, const Tensor& audio) const {
  Tensor h = attn_ln_.forward(c, x);
  x = c.add(x, c.dropped(attn_.forward(c, h, h), dropout(c, self)));
  if (cross_) x = c.add(x, c.dropped(cross_->forward(c, cross_ln_->forward(c, x), audio), dropout(c, cross)));
  return c.add(x, c.dropped(mlp_.forward(c, mlp_ln_.forward(c, x)), dropout(c, mlp)));
}

// Each line above, transposed. The residual stream carries dx through untouched and every branch adds to it.
Tensor Block::backward(Context& c, const Tensor& dx, const Tensor& daudio) const {
  mlp_ln_.backward(c, mlp_.backward(c, c.into_branch(dx, dropout(c, mlp))), dx);
  if (cross_) cross_ln_->backward(c, cross_->backward(c, c.into_branch(dx, dropout(c, cross)), daudio), dx);
  attn_ln_.backward(c, attn_.backward(c, c.into_branch(dx, dropout(c, self))), dx);
  return dx;
}

Tensor Block::cached(Context& c, Tensor x, const BlockCache& cache, int64_t position) const {
  x = c.add(x, attn_.cached(c, attn_ln_.forward(c, x), cache.self, position));
  x = c.add(x, cross_->over(c, cross_ln_->forward(c, x), cache.audio));
  return c.add(x, mlp_.forward(c, mlp_ln_.forward(c, x)));
}

}  // namespace whisper
