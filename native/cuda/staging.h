// Pinned host memory through which everything passes between host and GPU: the driver copies from and to no other
// memory while the host goes on. In steady state nothing is allocated.
#pragma once
#include <cstddef>
#include <deque>
#include <memory>

#include "cuda/device.h"

namespace whisper::cuda {

class Staging {
 public:
  explicit Staging(std::shared_ptr<gpu::Device> device) : device_(std::move(device)) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  // Returns as soon as the host's bytes are copied. Waits only where the ring is as large as it gets and full.
  void upload(void* to, const void* host, size_t bytes);
  // Waits for everything before it and for itself.
  void download(void* host, const void* from, size_t bytes);

  size_t ring_bytes() const { return ring_bytes_; }

 private:
  // A part of the ring that may still be read, until the mark. The newest ends at head_.
  struct Part {
    size_t begin;
    gpu::Device::Mark mark;
  };

  void upload_piece(void* to, const void* host, size_t bytes);
  std::byte* reserve(size_t bytes);
  bool place(size_t bytes);
  bool grow(size_t bytes);
  void wait_for_oldest();
  std::byte* landing(size_t bytes);

  std::shared_ptr<gpu::Device> device_;
  std::byte* ring_ = nullptr;  // parts lie in it in the order of the uploads, around its end
  size_t ring_bytes_ = 0, head_ = 0;
  std::deque<Part> parts_;
  std::byte* landing_ = nullptr;  // two halves for downloads
  size_t landing_bytes_ = 0;
};

}  // namespace whisper::cuda
