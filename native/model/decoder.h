// The decoder: token and position embedding, blocks that also attend to the audio, a layer norm, the tied projection.
#pragma once
#include <vector>

#include "model/dims.h"
#include "model/stack.h"

namespace whisper {

class Decoder {
 public:
  Decoder(Params& p, const Dims& dims);

  Tensor forward(Context& c, const Tensor& tokens,
                 const Tensor& audio) const;  // i32 [B, T], [B, S, width] -> [B, T, width]
  // Gradients of the parameters; adds to daudio unless it is absent. dy is the gradient of forward's result.
  void backward(Context& c, const Tensor& dy, const Tensor& audio, const Tensor& daudio) const;

  // Decoding: tokens [B, T] at positions [position, position + T) over one cache per block -> [B, T, width].
  Tensor cached(Context& c, const Tensor& tokens, const std::vector<BlockCache>& caches, int64_t position) const;
  // Empty caches for `capacity` tokens, with the audio's keys and values in them.
  std::vector<BlockCache> caches(Context& c, const Tensor& audio, int64_t capacity) const;

  Tensor logits(Context& c, const Tensor& x) const;  // [B, T, width], rows may be spaced -> [B, T, vocab]
  Param& embedding() const { return tokens_; }       // [vocab, width], also the projection

 private:
  Param& tokens_;
  Param& positions_;
  Stack blocks_;
  LayerNorm ln_;
  int padding_;
  uint64_t place_;  // of the dropout behind the positions
};

}  // namespace whisper
