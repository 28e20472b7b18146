// Forward, backward and cached forms of the decoder (transformers modeling_whisper.py: WhisperDecoder).
#include "model/decoder.h"

namespace whisper {

Decoder::Decoder(Params& p, const Dims& dims)
    : tokens_(p.add("model.decoder.embed_tokens.weight", {dims.vocab, dims.width}, Part::decoder, Role::embedding)),
      positions_(
          p.add("model.decoder.embed_positions.weight", {dims.target, dims.width}, Part::decoder, Role::positions)),
      blocks_(p, "decoder", Part::decoder, dims.decoder_layers, dims.width, dims.decoder_heads, dims.decoder_ffn),
      ln_(p, "model.decoder.layer_norm", Part::decoder, dims.width),
      padding_(dims.padding),
      place_(stream_of("decoder.embed")) {}

Tensor Decoder::forward(Context& c, const Tensor& tokens, const Tensor& audio) const {
  Tensor x = c.residual({tokens.shape[0], tokens.shape[1], tokens_.shape[1]});
  c.backend.embed(x, tokens, tokens_.exact(), positions_.value, /*first=*/0);
  c.tape.push(tokens);
  x = c.dropped(x, c.dropout(c.rates.dropout, place_));
  c.observe("decoder.embed", x);
  x = blocks_.forward(c, x, audio);
  x = ln_.forward(c, x);
  c.observe("decoder.layer_norm", x);
  return x;
}

void Decoder::backward(Context& c, const Tensor& dy, const Tensor& audio, const Tensor& daudio) const {
  Tensor dx = c.zero_residual(dy.shape);
  ln_.backward(c, dy, dx);
  dx = blocks_.backward(c, dx, audio, daudio);
  auto [tokens] = c.tape.pop<1>();
  if (!tokens_.grad && !positions_.grad) return;
  dx = c.dropped(dx, c.dropout(c.rates.dropout, place_));
  c.backend.embed_backward(tokens_.grad, positions_.grad, dx, tokens, padding_);
}

std::vector<BlockCache> Decoder::caches(Context& c, const Tensor& audio, int64_t capacity) const {
  std::vector<BlockCache> caches;
  const Shape shape{audio.shape[0], capacity, audio.shape[2]};
  for (const Block& block : blocks_.blocks())
    caches.push_back({{c.activation(shape), c.activation(shape)}, block.project(c, audio)});
  return caches;
}

Tensor Decoder::cached(Context& c, const Tensor& tokens, const std::vector<BlockCache>& caches,
                       int64_t position) const {
  Tensor x = c.residual({tokens.shape[0], tokens.shape[1], tokens_.shape[1]});
  c.backend.embed(x, tokens, tokens_.exact(), positions_.value, static_cast<int>(position));
  for (size_t i = 0; i < caches.size(); ++i) x = blocks_.blocks()[i].cached(c, x, caches[i], position);
  return ln_.forward(c, x);
}

Tensor Decoder::logits(Context& c, const Tensor& x) const {
  Tensor y = c.backend.empty({x.shape[0], x.shape[1], tokens_.shape[0]});
  c.backend.linear(y, x, tokens_.value, Tensor());
  return y;
}

}  // namespace whisper
