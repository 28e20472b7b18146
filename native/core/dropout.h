// Dropout whose choices are a function of numbers known in advance, so that any thread can make them, in any order, and
// the backward pass, or a block that is run again, makes the same ones (core/random.h).
#pragma once
#include <cstdint>

#include "core/random.h"

namespace whisper {

// Element i of a tensor is kept if number i of the sequence (key, stream) says so, and then divided by 1 - rate.
struct Dropout {
  float rate = 0;       // the share of elements set to zero, in [0, 1); 0: no dropout
  uint64_t key = 0;     // of the micro-batch
  uint64_t stream = 0;  // of the place in the model

  constexpr explicit operator bool() const { return rate > 0; }
  constexpr float scale() const { return 1 / (1 - rate); }
  // Elements whose 32-bit number is below this are dropped.
  constexpr uint32_t threshold() const { return static_cast<uint32_t>(static_cast<double>(rate) * 4294967296.0); }
  // The numbers of elements 4·group to 4·group + 3.
  constexpr std::array<uint32_t, 4> numbers(uint64_t group) const { return Philox(key)(group, stream); }
};

}  // namespace whisper
