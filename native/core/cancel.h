// A flag that asks a long call to stop: set from any thread, read by the loops of training and decoding.
#pragma once
#include <atomic>

#include "core/error.h"

namespace whisper {

class Cancel {
 public:
  void request() { requested_.store(true, std::memory_order_relaxed); }
  bool requested() const { return requested_.load(std::memory_order_relaxed); }
  void check() const {
    if (requested()) fail(Code::Cancelled, "the operation was cancelled");
  }

 private:
  std::atomic<bool> requested_{false};
};

}  // namespace whisper
