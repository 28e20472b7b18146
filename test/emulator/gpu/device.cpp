// The emulator's body of native/cuda/device.h. Launches are done when they return; copies between host and device land
// at the latest moment that is allowed, so that memory which is read or written too early is seen.
#include "cuda/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/error.h"

namespace whisper::gpu {
namespace {

// Bytes of the emulated card, which WHISPER_TUNE_EMULATOR_MEMORY may make small.
size_t card_bytes() {
  const char* const text = std::getenv("WHISPER_TUNE_EMULATOR_MEMORY");
  return text ? std::stoull(text) : size_t{1} << 34;
}

struct Copy {
  void* to;
  const void* from;
  size_t bytes;
};

}  // namespace

struct Device::State {
  std::mutex mutex;  // tensors may be released in any thread
  std::unordered_map<void*, size_t> blocks;
  size_t held = 0;
  std::deque<Copy> queue;
  size_t landed = 0;  // copies, ever

  // Has the copies before the given one land.
  void land(size_t end = SIZE_MAX) {
    for (; !queue.empty() && landed < end; ++landed, queue.pop_front())
      std::memcpy(queue.front().to, queue.front().from, queue.front().bytes);
  }
};

Device::Device(int) : state_(std::make_unique<State>()) {
  properties_.device = "cuda-emulator";
  properties_.name = "emulated sm_90a";
  properties_.capability = 90;
  properties_.processors = 4;
  properties_.memory = card_bytes();
  properties_.shared = 227 * 1024;
  properties_.driver = 13000;
  properties_.emulated = true;
  properties_.exact_blocks = true;
}
Device::~Device() = default;

void* Device::allocate(size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  void* block = nullptr;
  if (bytes > properties_.memory - state_->held || posix_memalign(&block, 512, bytes) != 0) return nullptr;
  state_->blocks[block] = bytes;
  state_->held += bytes;
  return block;
}

// As the driver does, only when nothing uses it any more.
void Device::release(void* block) {
  const std::lock_guard lock(state_->mutex);
  state_->land();
  const auto found = state_->blocks.find(block);
  state_->held -= found->second;
  state_->blocks.erase(found);
  std::free(block);
}

size_t Device::free_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return properties_.memory - state_->held;
}

void* Device::allocate_pinned(size_t bytes) { return std::malloc(bytes); }
void Device::release_pinned(void* block) { std::free(block); }

void Device::upload(void* to, const void* pinned, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->queue.push_back({to, pinned, bytes});
}

void Device::download(void* pinned, const void* from, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  std::memset(pinned, 0xff, bytes);
  state_->queue.push_back({pinned, from, bytes});
}

void Device::copy(void* to, const void* from, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->land();
  std::memmove(to, from, bytes);
}

void Device::zero(void* address, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->land();
  std::memset(address, 0, bytes);
}

// What comes before a launch; launch.cuh runs the kernel, whose type it knows.
void Device::launch(const char* op, const void*, const Grid& grid, void**) {
  check_grid(op, grid, properties_);
  const std::lock_guard lock(state_->mutex);
  state_->land();
}

// How many copies there were before it.
Device::Mark Device::mark() {
  const std::lock_guard lock(state_->mutex);
  return std::make_shared<size_t>(state_->landed + state_->queue.size());
}

void Device::wait(const Mark& mark) {
  const std::lock_guard lock(state_->mutex);
  state_->land(*static_cast<const size_t*>(mark.get()));
}

bool Device::done(const Mark& mark) {
  const std::lock_guard lock(state_->mutex);
  return state_->landed >= *static_cast<const size_t*>(mark.get());
}

void Device::synchronize() {
  const std::lock_guard lock(state_->mutex);
  state_->land();
}

}  // namespace whisper::gpu
