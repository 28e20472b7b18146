// Pinned host memory through which uploads go, so that the host goes on while they are copied.
#pragma once
#include <cstddef>
#include <memory>

#include "cuda/device.h"

namespace whisper::cuda {

class Staging {
 public:
  explicit Staging(std::shared_ptr<gpu::Device> device) : device_(std::move(device)) {}
  void upload(void* to, const void* host, size_t bytes);
  void download(void* host, const void* from, size_t bytes);  // and waits for it

 private:
  std::shared_ptr<gpu::Device> device_;
};

}  // namespace whisper::cuda
