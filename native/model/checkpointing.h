// Gradient checkpointing: what is computed again on the way back instead of being kept (Chen et al., arXiv:1604.06174).
#pragma once

#include "model/params.h"

namespace whisper {

struct Checkpointing {
  enum class Policy {
    none,
    encoder,    // the encoder's blocks, of which only the inputs are kept: most of the memory, four fifths of the work
    all,        // every block: memory linear in depth with a small constant, for one more forward pass
    every,      // every n-th block
    selective,  // the results of GELU and layer norm, everywhere: a third of the memory for next to nothing
  };
  Policy policy = Policy::none;
  int every = 1;  // of Policy::every: blocks 0, every, 2·every …

  // Whether this block is run again.
  bool runs_again(Part part, size_t block) const {
    switch (policy) {
      case Policy::encoder:
        return part == Part::encoder;
      case Policy::all:
        return true;
      case Policy::every:
        return block % static_cast<size_t>(every) == 0;
      default:
        return false;
    }
  }
};

}  // namespace whisper
