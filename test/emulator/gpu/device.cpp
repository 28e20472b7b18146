// The emulator's body of native/cuda/device.h. Launches are done when they return; copies between host and device, and
// everything in a graph, are done at the latest moment that is allowed, so that memory which is read, written or
// released too early is seen.
#include "cuda/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "../machine/schedule.h"
#include "core/error.h"
#include "cuda/settings.h"
#include "emulator.h"

namespace whisper::gpu {
namespace {

// Bytes of the emulated card, which WHISPER_TUNE_EMULATOR_MEMORY may make small.
size_t card_bytes() {
  const char* const text = std::getenv("WHISPER_TUNE_EMULATOR_MEMORY");
  return text ? std::stoull(text) : size_t{1} << 34;
}

using Work = std::function<void()>;

Work copying(void* to, const void* from, size_t bytes) {
  return [=] { std::memmove(to, from, bytes); };
}

}  // namespace

struct Device::State {
  std::mutex mutex;  // tensors may be released in any thread
  std::unordered_map<void*, size_t> blocks;
  size_t held = 0;
  std::deque<Work> queue;
  size_t done = 0;  // pieces of work that were queued, ever
  bool graphs = uses_graphs();
  bool recording = false;

  // Does what was queued before the given piece.
  void finish(size_t end = SIZE_MAX) {
    for (; !queue.empty() && done < end; ++done) {
      const Work work = std::move(queue.front());
      queue.pop_front();
      work();
    }
  }
  // Work of the device itself: at once, unless it becomes part of a graph.
  void now(Work work) {
    if (recording) return queue.push_back(std::move(work));
    finish();
    work();
  }
  void free(void* block) {
    const auto found = blocks.find(block);
    held -= found->second;
    blocks.erase(found);
    std::free(block);
  }
};

Device::Device(int) : state_(std::make_unique<State>()) {
  emulator::choose_schedule();
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
  state_->now([state = state_.get(), block] { state->free(block); });
}

size_t Device::free_bytes() const {
  const std::lock_guard lock(state_->mutex);
  return properties_.memory - state_->held;
}

void* Device::allocate_pinned(size_t bytes) { return std::malloc(bytes); }
void Device::release_pinned(void* block) { std::free(block); }

void Device::upload(void* to, const void* pinned, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->queue.push_back(copying(to, pinned, bytes));
}

void Device::download(void* pinned, const void* from, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  std::memset(pinned, 0xff, bytes);
  state_->queue.push_back(copying(pinned, from, bytes));
}

void Device::copy(void* to, const void* from, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->now(copying(to, from, bytes));
}

void Device::zero(void* address, size_t bytes) {
  const std::lock_guard lock(state_->mutex);
  state_->now([=] { std::memset(address, 0, bytes); });
}

// Kernel and arguments come as a function.
void Device::launch(const char* op, const void* kernel, const Grid& grid, void**) {
  check_grid(op, grid, properties_);
  const std::lock_guard lock(state_->mutex);
  state_->now([op, grid, run = *static_cast<const Work*>(kernel)]() mutable {
    emulator::launch(
        op, grid, [](void* work) { (*static_cast<Work*>(work))(); }, &run);
  });
}

void Device::begin_graph(uint64_t) {
  const std::lock_guard lock(state_->mutex);
  state_->finish();
  state_->recording = state_->graphs;
}

void Device::end_graph() {
  const std::lock_guard lock(state_->mutex);
  state_->recording = false;
}

void Device::abandon_graph() {
  const std::lock_guard lock(state_->mutex);
  state_->recording = false;
  state_->finish();
}

// How many pieces of work there were before it.
Device::Mark Device::mark() {
  const std::lock_guard lock(state_->mutex);
  return std::make_shared<size_t>(state_->done + state_->queue.size());
}

void Device::wait(const Mark& mark) {
  const std::lock_guard lock(state_->mutex);
  state_->finish(*static_cast<const size_t*>(mark.get()));
}

bool Device::done(const Mark& mark) {
  const std::lock_guard lock(state_->mutex);
  return state_->done >= *static_cast<const size_t*>(mark.get());
}

// A library works in the memory of the host at once.
void* Device::stream() {
  const std::lock_guard lock(state_->mutex);
  state_->finish();
  return nullptr;
}

void Device::synchronize() {
  const std::lock_guard lock(state_->mutex);
  state_->finish();
}

}  // namespace whisper::gpu
