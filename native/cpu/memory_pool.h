// Released blocks wait here for the next request of their size. A training step asks for the same sizes every time, so
// after the first step nothing is allocated.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace whisper::cpu {

class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  MemoryPool() = default;
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  ~MemoryPool();

  // A block of at least `bytes`, aligned to 64. Throws OutOfMemory, naming the size and what is held already.
  std::shared_ptr<void> take(size_t bytes);

  size_t live() const;
  size_t peak() const;
  void reset_peak();
  void limit(size_t bytes);  // of what is live, and of what waits beside it; 0: none

 private:
  void give_back(void* block, size_t bytes);
  void trim(size_t bytes);

  mutable std::mutex mutex_;
  std::map<size_t, std::vector<void*>> free_;
  size_t live_ = 0, peak_ = 0;
  size_t cached_ = 0;  // waiting in free_
  size_t most_ = 0;    // live at once, ever
  size_t limit_ = 0;   // 0: none
};

}  // namespace whisper::cpu
