// A transformer block of Whisper: self-attention, in the decoder cross-attention, and a perceptron, each on a residual
// branch that ends in dropout.
#pragma once
#include <optional>
#include <string>

#include "model/attention.h"

namespace whisper {

// What decoding keeps of a block: its own keys and values so far, and those of the audio, computed once.
struct BlockCache {
  KeyValues self;   // [B, capacity, width]
  KeyValues audio;  // [B, S, width]
};

// x += Attn(LN(x));  x += Cross(LN(x), audio);  x += MLP(LN(x)).  The encoder has no cross-attention.
class Block {
 public:
  Block(Params& p, const std::string& name, Part part, int64_t width, int heads, int64_t inner);
  Block(const Block&) = delete;

  Tensor forward(Context& c, Tensor x, const Tensor& audio = {}) const;
  // Returns dx and adds to daudio (absent: not wanted). May overwrite the dx that it is given.
  Tensor backward(Context& c, const Tensor& dx, const Tensor& daudio = {}) const;
  // Rows [position, position + T) of a sequence whose earlier rows are in the cache.
  Tensor cached(Context& c, Tensor x, const BlockCache& cache, int64_t position) const;
  KeyValues project(Context& c, const Tensor& audio) const { return cross_->project(c, audio); }
  uint64_t place() const { return place_; }  // of LayerDrop

 private:
  // The dropout at the end of a branch.
  enum Branch : uint64_t { self, cross, mlp };
  Dropout dropout(Context& c, Branch branch) const { return c.dropout(c.rates.dropout, place_ + 1 + branch); }

  LayerNorm attn_ln_;
  Attention attn_;
  std::optional<LayerNorm> cross_ln_;
  std::optional<Attention> cross_;
  LayerNorm mlp_ln_;
  Mlp mlp_;
  uint64_t place_;
};

}  // namespace whisper
