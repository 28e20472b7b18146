// Memory of the GPU, taken from the driver in large segments and handed out from these: a training step asks for the
// same sizes every time, so after the first nothing is asked of the driver. Work is queued in order, so a released
// block can be handed out again at once, while kernels that used it still wait in the queue.
#pragma once
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>

#include "cuda/device.h"
#include "cuda/segments.h"

namespace whisper::cuda {

class MemoryPool : public std::enable_shared_from_this<MemoryPool> {
 public:
  // in_segments: false asks the device for each block by itself.
  MemoryPool(std::shared_ptr<gpu::Device> device, bool in_segments)
      : device_(std::move(device)), in_segments_(in_segments), segments_(device_) {}
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;

  // A block of at least `bytes`, aligned to 256. Throws OutOfMemory, naming the size, what is held already and what the
  // card has.
  std::shared_ptr<void> take(size_t bytes);

  // Bytes as they were asked for, which is what the memory planner counts.
  size_t live() const;
  size_t peak() const;
  void reset_peak();
  // Of what is live; 0: none. Segments are kept within it too, but for the gaps between blocks.
  void limit(size_t bytes);
  // What could still be taken: the card's, and what lies idle here.
  size_t available() const;

 private:
  void* allocate(size_t bytes);
  void give_back(void* block, size_t bytes);
  [[noreturn]] void refuse(size_t bytes, bool by_limit) const;

  std::shared_ptr<gpu::Device> device_;
  const bool in_segments_;
  mutable std::mutex mutex_;
  Segments segments_;
  size_t live_ = 0, peak_ = 0, limit_ = 0;
};

}  // namespace whisper::cuda
