// Workspaces of the CPU's operations: aligned memory that grows to the largest request and is used again by every call.
#pragma once
#include <cstdint>
#include <memory>
#include <new>

#include "core/error.h"

namespace whisper::cpu {

// Declared thread_local where it is used, so that each caller of the back end has its own and a step allocates nothing
// after the first. An operation asks for the share of all threads() before its parallel loop: memory that is missing is
// then an error of the caller, not of a pool thread.
class Scratch {
 public:
  // Memory for n elements, aligned to 64 bytes, with 64 readable and writable bytes behind. Its contents are whatever
  // the last use left; pointers from earlier calls are no longer valid.
  template <class T>
  T* take(int64_t n) {
    const size_t bytes = static_cast<size_t>(n) * sizeof(T) + kSlack;
    if (bytes > bytes_) grow(bytes);
    return static_cast<T*>(static_cast<void*>(memory_.get()));
  }

 private:
  static constexpr size_t kSlack = 64;
  static constexpr std::align_val_t kAlignment{64};
  struct Free {
    void operator()(std::byte* p) const { ::operator delete(p, kAlignment); }
  };

  void grow(size_t bytes) {
    memory_.reset();
    bytes_ = 0;
    memory_.reset(static_cast<std::byte*>(::operator new(bytes, kAlignment, std::nothrow)));
    if (!memory_) fail(Code::OutOfMemory, "the workspace of an operation needs ", bytes, " bytes");
    bytes_ = bytes;
  }

  std::unique_ptr<std::byte, Free> memory_;
  size_t bytes_ = 0;
};

}  // namespace whisper::cpu
