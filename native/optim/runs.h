// Trained parameters that are neighbours in memory and that an update treats alike, as one stretch of the flat buffers:
// a few calls over long arrays instead of one per parameter.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "optim/optimizer.h"

namespace whisper {

struct Run {
  Part part;
  bool decays;
  bool coded;            // its moments are in 8 bits
  bool copied;           // its parameters have compute copies
  int64_t size;          // elements, the padding behind each parameter included
  int64_t master, grad;  // where it begins in Params::masters() and grads()
  int64_t copy;          // and in Params::copies(), if copied
  int64_t state;         // where its states begin among those of runs that are alike in `coded`
  int64_t end() const { return grad + size; }

  Tensor masters_of(const Params& p) const { return p.masters().part(master, {size}); }
  Tensor grads_of(const Params& p) const { return p.grads().part(grad, {size}); }
  Tensor copies_of(const Params& p) const { return copied ? p.copies().part(copy, {size}) : Tensor(); }

  double rate(const Hyperparameters& h) const { return h.rate(part); }
  double decay(const Hyperparameters& h) const { return decays ? h.weight_decay : 0; }
  AdamwHyper adamw(const Hyperparameters& h, int t) const {
    return {rate(h), h.beta1, h.beta2, h.epsilon, decay(h), t};
  }
};

// In memory order. `coded` says of which parameters the moments are in 8 bits; of none without it.
std::vector<Run> runs_of(Params& params, const std::function<bool(const Param&)>& coded = nullptr);

// The run that a trained parameter is part of.
const Run& run_of(const std::vector<Run>& runs, const Params& params, const Param& p);

}  // namespace whisper
