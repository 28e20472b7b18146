// The cache of released blocks: one lock, one list per size, an upper bound on what lies idle.
#include "cpu/memory_pool.h"

#include <algorithm>
#include <cstdlib>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/error.h"

namespace whisper::cpu {
namespace {

constexpr size_t line = 64, huge_page = size_t{2} << 20;

// Whole cache lines, and for large blocks steps of at most a 64th of their size.
size_t rounded(size_t bytes) {
  size_t step = line;
  while (step < bytes / 128) step *= 2;
  const size_t up = (std::max<size_t>(bytes, 1) + step - 1) / step * step;
  return up < bytes ? 0 : up;  // 0: past the end of size_t
}

void* allocate(size_t bytes) {
  const bool large = bytes >= 2 * huge_page;
  void* block = nullptr;
  if (!bytes || posix_memalign(&block, large ? huge_page : line, bytes) != 0) return nullptr;
#if defined(__linux__)
  if (large) madvise(block, bytes, MADV_HUGEPAGE);  // advice only: without huge pages it is a little slower
#endif
  return block;
}

}  // namespace

MemoryPool::~MemoryPool() {
  for (auto& [bytes, blocks] : free_)
    for (void* block : blocks) std::free(block);
}

// Drops cached blocks, the largest first, until at most `bytes` are cached.
void MemoryPool::trim(size_t bytes) {
  while (cached_ > bytes) {
    const auto largest = std::prev(free_.end());
    std::free(largest->second.back());
    cached_ -= largest->first;
    largest->second.pop_back();
    if (largest->second.empty()) free_.erase(largest);
  }
}

std::shared_ptr<void> MemoryPool::take(size_t bytes) {
  size_t size = rounded(bytes);
  void* block = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (limit_ && live_ + size > limit_)
      fail(Code::OutOfMemory, "cpu: ", bytes, " bytes beside the ", live_, " in use exceed the limit of ", limit_);
    most_ = std::max(most_, live_ + size);
    // A block an eighth too large will do: labels of one batch are longer than those of the next.
    if (const auto found = free_.lower_bound(size); found != free_.end() && found->first - size <= size / 8) {
      size = found->first;
      block = found->second.back();
      found->second.pop_back();
      if (found->second.empty()) free_.erase(found);
      cached_ -= size;
    } else {
      // Blocks of sizes that no longer come (another batch size, say) must not pile up, nor push the process over the
      // limit together with what is live.
      const size_t idle = std::max(most_ / 2, huge_page);
      trim(limit_ ? std::min(idle, limit_ - live_ - size) : idle);
      block = allocate(size);
      if (!block) {
        trim(0);
        block = allocate(size);
      }
      if (!block) fail(Code::OutOfMemory, "cpu: cannot allocate ", bytes, " bytes beside the ", live_, " in use");
    }
    live_ += size;
    peak_ = std::max(peak_, live_);
  }
  return {block, [pool = shared_from_this(), size](void* p) { pool->give_back(p, size); }};
}

void MemoryPool::give_back(void* block, size_t bytes) {
  const std::lock_guard lock(mutex_);
  free_[bytes].push_back(block);
  live_ -= bytes;
  cached_ += bytes;
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
  if (limit_) trim(limit_ - std::min(limit_, live_));
}

}  // namespace whisper::cpu
