// The emulator's body of native/cuda/device.h: memory of the host, and launches that are done when they return.
#include "cuda/device.h"

#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace whisper::gpu {

struct Device::State {};

Device::Device(int) : state_(std::make_unique<State>()) {
  properties_.name = "emulated sm_90a";
  properties_.capability = 90;
  properties_.processors = 4;
  properties_.memory = size_t{1} << 34;
  properties_.shared = 227 * 1024;
  properties_.emulated = true;
}
Device::~Device() = default;

// Of exactly the size asked for, so that a sanitizer sees what goes beyond.
void* Device::allocate(size_t bytes) { return std::aligned_alloc(256, (bytes + 255) / 256 * 256); }
void Device::release(void* block) { std::free(block); }
size_t Device::free_bytes() const { return properties_.memory; }
void* Device::allocate_pinned(size_t bytes) { return std::malloc(bytes); }
void Device::release_pinned(void* block) { std::free(block); }
void Device::upload(void* to, const void* pinned, size_t bytes) { std::memcpy(to, pinned, bytes); }
void Device::download(void* pinned, const void* from, size_t bytes) { std::memcpy(pinned, from, bytes); }
void Device::copy(void* to, const void* from, size_t bytes) { std::memmove(to, from, bytes); }
void Device::zero(void* address, size_t bytes) { std::memset(address, 0, bytes); }
Device::Mark Device::mark() { return nullptr; }
void Device::wait(const Mark&) {}
void Device::synchronize() {}

}  // namespace whisper::gpu
