// See memory_pool.h.
#include "cuda/memory_pool.h"

#include <algorithm>
#include <iomanip>
#include <sstream>

#include "core/error.h"

namespace whisper::cuda {
namespace {

// 1.53 GB: decimal units, as the plans have them.
std::string amount(size_t bytes) {
  if (bytes < 1000) return std::to_string(bytes) + " bytes";
  const bool giga = bytes >= 1'000'000'000, mega = bytes >= 1'000'000;
  std::ostringstream text;
  text << std::fixed << std::setprecision(giga ? 2 : 1)
       << static_cast<double>(bytes) / (giga   ? 1e9
                                        : mega ? 1e6
                                               : 1e3)
       << (giga   ? " GB"
           : mega ? " MB"
                  : " kB");
  return text.str();
}

}  // namespace

std::shared_ptr<void> MemoryPool::take(size_t bytes) {
  void* block = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (limit_ && (live_ > limit_ || bytes > limit_ - live_)) refuse(bytes, /*by_limit=*/true);
    block = allocate(bytes);
    if (!block) refuse(bytes, /*by_limit=*/false);
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  return {block, [pool = shared_from_this(), bytes](void* p) { pool->give_back(p, bytes); }};
}

void* MemoryPool::allocate(size_t bytes) {
  return in_segments_ ? segments_.take(bytes, limit_ ? limit_ : SIZE_MAX)
                      : device_->allocate(std::max<size_t>(bytes, 1));
}

void MemoryPool::give_back(void* block, size_t bytes) {
  const std::lock_guard lock(mutex_);
  live_ -= bytes;
  if (in_segments_)
    segments_.give_back(block);
  else
    device_->release(block);
}

void MemoryPool::refuse(size_t bytes, bool by_limit) const {
  std::ostringstream text;
  text << device_->properties().device << ": " << amount(bytes) << " beside the " << amount(live_) << " in use ";
  if (by_limit)
    text << "exceed the limit of " << amount(limit_);
  else
    text << "cannot be had";
  text << " (the card has " << amount(device_->free_bytes()) << " of " << amount(device_->properties().memory)
       << " free";
  if (in_segments_)
    text << ", the pool keeps " << amount(segments_.held()) << ", the largest gap in it is "
         << amount(segments_.largest_gap());
  text << ")";
  fail(Code::OutOfMemory, text.str());
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
  if (limit_) segments_.trim(limit_);
}

size_t MemoryPool::available() const {
  const std::lock_guard lock(mutex_);
  return device_->free_bytes() + (in_segments_ ? segments_.held() - live_ : 0);
}

}  // namespace whisper::cuda
