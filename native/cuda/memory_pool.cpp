// See memory_pool.h.
#include "cuda/memory_pool.h"

#include "core/error.h"

namespace whisper::cuda {

MemoryPool::~MemoryPool() {
  for (const auto& [block, bytes] : taken_) device_->release(block);
}

std::shared_ptr<void> MemoryPool::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  if (limit_ && live_ + bytes > limit_)
    fail(Code::OutOfMemory, "out of memory: ", bytes, " bytes asked for, ", live_, " held, limit ", limit_);
  void* block = device_->allocate(bytes ? bytes : 1);
  if (!block) fail(Code::OutOfMemory, "out of memory: ", bytes, " bytes asked for, ", live_, " held");
  taken_[block] = bytes;
  live_ += bytes;
  if (live_ > peak_) peak_ = live_;
  return {block, [self = shared_from_this()](void* p) { self->give_back(p); }};
}

void MemoryPool::give_back(void* block) {
  const std::lock_guard lock(mutex_);
  live_ -= taken_.at(block);
  taken_.erase(block);
  device_->release(block);
}

size_t MemoryPool::live() const {
  const std::lock_guard lock(mutex_);
  return live_;
}

size_t MemoryPool::peak() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

void MemoryPool::reset_peak() {
  const std::lock_guard lock(mutex_);
  peak_ = live_;
}

void MemoryPool::limit(size_t bytes) {
  const std::lock_guard lock(mutex_);
  limit_ = bytes;
}


}  // namespace whisper::cuda
