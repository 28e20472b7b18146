// See staging.h.
#include "cuda/staging.h"

#include <cstring>

namespace whisper::cuda {

void Staging::upload(void* to, const void* host, size_t bytes) {
  void* pinned = device_->allocate_pinned(bytes);
  std::memcpy(pinned, host, bytes);
  device_->upload(to, pinned, bytes);
  device_->synchronize();
  device_->release_pinned(pinned);
}

void Staging::download(void* host, const void* from, size_t bytes) {
  void* pinned = device_->allocate_pinned(bytes);
  device_->download(pinned, from, bytes);
  device_->synchronize();
  std::memcpy(host, pinned, bytes);
  device_->release_pinned(pinned);
}

}  // namespace whisper::cuda
