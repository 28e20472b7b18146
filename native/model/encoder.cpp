// Forward and backward of the encoder (transformers modeling_whisper.py: WhisperEncoder).
#include "model/encoder.h"

#include <utility>

namespace whisper {

Encoder::Encoder(Params& p, const Dims& dims)
    : conv1_(p, "model.encoder.conv1", Part::encoder, dims.mels, dims.width, /*stride=*/1),
      conv2_(p, "model.encoder.conv2", Part::encoder, dims.width, dims.width, /*stride=*/2),
      positions_(
          p.add("model.encoder.embed_positions.weight", {dims.source, dims.width}, Part::fixed, Role::positions)),
      blocks_(p, "encoder", Part::encoder, dims.encoder_layers, dims.width, dims.encoder_heads, dims.encoder_ffn),
      ln_(p, "model.encoder.layer_norm", Part::encoder, dims.width),
      frames_(dims.frames()),
      width_(dims.width),
      place_(stream_of("encoder.embed")) {}

Tensor Encoder::embed(Context& c, Tensor features) const {
  features = c.in_compute(features);
  const int64_t batch = features.shape[0];
  Tensor a1 = c.zero_activation({batch, frames_ + 2, width_});  // zero rows at both ends for conv2
  conv1_.forward_gelu(c, features, interior(a1));
  Tensor x = c.residual({batch, positions_.shape[0], width_});
  conv2_.forward_gelu(c, a1, x);
  c.backend.add_positions(x, x, positions_.value);
  return x;
}

Tensor Encoder::forward(Context& c, Tensor features) const {
  const auto make = [&] { return embed(c, std::move(features)); };
  Tensor x = conv1_.trained() ? make() : c.tape.paused(make);
  x = c.dropped(x, c.dropout(c.rates.dropout, place_));
  c.observe("encoder.embed", x);
  x = blocks_.forward(c, x);
  x = ln_.forward(c, x);
  c.observe("encoder.layer_norm", x);
  return x;
}

void Encoder::backward(Context& c, const Tensor& dy) const {
  Tensor dx = c.zero_residual(dy.shape);
  ln_.backward(c, dy, dx);
  dx = blocks_.backward(c, dx);
  if (!trains_embedding()) return;
  dx = c.dropped(dx, c.dropout(c.rates.dropout, place_));
  if (positions_.grad) {
    // Only the shape of the tokens counts where no table of theirs has a gradient.
    const Tensor places = c.backend.empty({dx.shape[0], dx.shape[1]}, DType::I32);
    c.backend.embed_backward(Tensor(), positions_.grad, dx, places, /*padding=*/-1);
  }
  if (conv1_.trained()) convolutions_backward(c, dx);
}

void Encoder::convolutions_backward(Context& c, const Tensor& dx) const {
  auto [h2] = c.tape.pop<1>();
  Tensor dh2 = c.like(h2);
  c.backend.gelu_backward(dh2, dx, h2);
  Tensor da1 = conv2_.backward(c, dh2, /*padded_time=*/frames_ + 2);
  auto [h1] = c.tape.pop<1>();
  Tensor dh1 = c.like(h1);
  c.backend.gelu_backward(dh1, interior(da1), h1);
  conv1_.backward_weights(c, dh1);
}

}  // namespace whisper
