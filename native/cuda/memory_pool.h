// Memory of the GPU, taken from the driver in large segments and handed out from these: a training step asks for the same
// sizes every time, so after the first nothing is asked of the driver. Work is queued in order, so a released block can
// be handed out again at once, while kernels that used it still wait in the queue.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "cuda/device.h"

namespace whisper::cuda {

class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  explicit MemoryPool(std::shared_ptr<gpu::Device> device) : device_(std::move(device)) {}
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  ~MemoryPool();

  // A block of at least `bytes`, aligned to 256. Throws OutOfMemory, naming the size, what is held already and what the
  // card has.
  std::shared_ptr<void> take(size_t bytes);

  size_t live() const;
  size_t peak() const;
  void reset_peak();
  void limit(size_t bytes);  // of what is live; 0: none

 private:
  void give_back(void* block);

  std::shared_ptr<gpu::Device> device_;
  mutable std::mutex mutex_;
  std::map<void*, size_t> taken_;
  size_t live_ = 0, peak_ = 0, limit_ = 0;
};

}  // namespace whisper::cuda
