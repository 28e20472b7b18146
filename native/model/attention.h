// Multi-head attention: over a sequence with gradients, and over cached keys and values when decoding.
#pragma once
#include <string>

#include "model/layers.h"

namespace whisper {

// Keys and values of a source, [B, S, width] each: cross-attention's, or a cache that grows by a row per token.
struct KeyValues {
  Tensor keys, values;
};

// Queries from x, keys and values from `source`: x itself in self-attention, the encoder's output in cross-attention.
class Attention {
 public:
  Attention(Params& p, const std::string& name, Part part, int64_t width, int heads, bool causal);

  Tensor forward(Context& c, const Tensor& x, const Tensor& source) const;
  Tensor backward(Context& c, const Tensor& dy) const;  // of self-attention: returns dx
  // Of cross-attention: returns dx and adds to dsource, which is absent when nobody wants it.
  Tensor backward(Context& c, const Tensor& dy, const Tensor& dsource) const;

  // Decoding, nothing recorded. The keys and values of a whole source:
  KeyValues project(Context& c, const Tensor& source) const;
  // Attention of x over keys and values that are there already:
  Tensor over(Context& c, const Tensor& x, const KeyValues& source) const;
  // Self-attention of rows [position, position + T): their keys and values join the cache first.
  Tensor cached(Context& c, const Tensor& x, const KeyValues& cache, int64_t position) const;

 private:
  struct Gradients {
    Tensor q, k, v;
  };
  Gradients backward_core(Context& c, const Tensor& dy) const;

  Linear query_, key_, value_, out_;
  int heads_;
  bool causal_;
  uint64_t place_;  // of the dropout of probabilities
};

}  // namespace whisper
