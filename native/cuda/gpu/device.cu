// CUDA's body of cuda/device.h: one stream of a GPU. Every call is checked; what a call reports may be the fault of an
// operation that was queued long before.
#include <cuda_runtime.h>

#include <algorithm>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "cuda/device.h"
#include "cuda/driver.h"
#include "cuda/failure.h"
#include "cuda/gpu/graph.h"
#include "cuda/open.h"
#include "cuda/settings.h"

namespace whisper::gpu {
namespace {

// Every launch may have so much dynamic shared memory; for more the kernel has to be told.
constexpr size_t shared_without_asking = 48 * 1024;

std::string words(cudaError_t error) {
  return std::string(cudaGetErrorString(error)) + " (" + cudaGetErrorName(error) + ")";
}

// Of what opening a GPU meets: it may be busy, or full.
void check_open(const std::string& device, cudaError_t error) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  const bool full = error == cudaErrorMemoryAllocation;
  fail(full ? Code::OutOfMemory : Code::DeviceUnavailable, device, " cannot be opened: ", words(error));
}

// Says, without running, whether this binary has kernels for a GPU.
__global__ void probe() {}

// Events to be used again: making one costs more than recording it. Marks share them, for they may outlive the device.
class Events {
 public:
  explicit Events(int index) : index_(index) {}
  ~Events() {
    cudaSetDevice(index_);
    for (const cudaEvent_t event : idle_) cudaEventDestroy(event);
  }

  cudaError_t take(cudaEvent_t* event) {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return cudaEventCreate(event);
    *event = idle_.back();
    idle_.pop_back();
    return cudaSuccess;
  }
  void give_back(cudaEvent_t event) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(event);
  }

 private:
  int index_;
  std::mutex mutex_;
  std::vector<cudaEvent_t> idle_;
};

}  // namespace

struct Device::State {
  explicit State(int index)
      : index(index),
        one_by_one(waits_for_each_operation()),
        failure("cuda:" + std::to_string(index), one_by_one),
        events(std::make_shared<Events>(index)) {}

  // Before anything else: which GPU is meant is a property of the thread.
  void use(const char* op) {
    failure.check();
    check(cudaSetDevice(index), op);
  }

  void check(cudaError_t error, const char* op) {
    if (error == cudaSuccess) return;
    cudaGetLastError();  // forgets it, unless it lasts
    failure.report(words(error), op, /*lasts=*/cudaStreamSynchronize(stream) != cudaSuccess);
  }

  // What has been put together is queued before the host waits for anything, or has somebody else queue work.
  void submit() {
    if (recorder && recorder->recording()) check(recorder->submit(), "a graph");
  }
  bool recording() const { return recorder && recorder->recording(); }

  // After an operation has been queued.
  void queued(cudaError_t error, const char* op) {
    check(error, op);
    if (one_by_one) check(cudaStreamSynchronize(stream), op);
  }

  int index;
  bool one_by_one;  // WHISPER_TUNE_CUDA_SYNC
  cudaStream_t stream = nullptr;
  Failure failure;
  std::shared_ptr<Events> events;
  std::unique_ptr<GraphRecorder> recorder;         // where graphs are used
  std::unordered_map<const void*, size_t> shared;  // what kernels have been told beyond shared_without_asking
};

Device::Device(int index) : state_(std::make_unique<State>(index)) {
  const std::string device = "cuda:" + std::to_string(index);
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || count == 0)
    fail(Code::DeviceUnavailable, device, ": ", cuda::why_none());
  if (index >= count)
    fail(Code::DeviceUnavailable, device, ": the NVIDIA driver has ", count, count == 1 ? " GPU" : " GPUs", ", cuda:0",
         count == 1 ? "" : " to cuda:" + std::to_string(count - 1));

  cudaDeviceProp found;
  check_open(device, cudaGetDeviceProperties(&found, index));
  properties_.device = device;
  properties_.name = found.name;
  properties_.capability = 10 * found.major + found.minor;
  properties_.processors = found.multiProcessorCount;
  properties_.memory = found.totalGlobalMem;
  properties_.shared = found.sharedMemPerBlockOptin;
  check_open(device, cudaDriverGetVersion(&properties_.driver));
  if (properties_.capability < least_capability)
    fail(Code::DeviceUnavailable, device, ": ", too_old(properties_.name, properties_.capability));

  check_open(device, cudaSetDevice(index));
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(probe)) == cudaErrorNoKernelImageForDevice) {
    cudaGetLastError();
    fail(Code::DeviceUnavailable, device, ": this build has no kernels for ", properties_.name, " (compute capability ",
         dotted(properties_.capability), "): build it with WHISPER_TUNE_CUDA_ARCHS=", properties_.capability,
         properties_.capability == 90 ? "a" : "");
  }
  // A stream that waits for nobody: other users of the process's default stream are not in its queue.
  check_open(device, cudaStreamCreateWithFlags(&state_->stream, cudaStreamNonBlocking));
  if (uses_graphs() && !state_->one_by_one) state_->recorder = std::make_unique<GraphRecorder>(state_->stream);
}

// Errors have no one left to go to.
Device::~Device() {
  if (!state_ || !state_->stream) return;
  cudaSetDevice(state_->index);
  state_->recorder.reset();
  cudaStreamDestroy(state_->stream);
}

void* Device::allocate(size_t bytes) {
  state_->use("allocate");
  void* block = nullptr;
  const cudaError_t error = cudaMalloc(&block, bytes);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  state_->check(error, "allocate");
  return block;
}

// Errors would end the program where a tensor is forgotten; the next call meets those that matter.
void Device::release(void* block) {
  cudaSetDevice(state_->index);
  if (state_->recording() && state_->recorder->submit() != cudaSuccess) cudaGetLastError();
  cudaFree(block);
}

size_t Device::free_bytes() const {
  state_->use("free_bytes");
  size_t free = 0, total = 0;
  state_->check(cudaMemGetInfo(&free, &total), "free_bytes");
  return free;
}

void* Device::allocate_pinned(size_t bytes) {
  state_->use("allocate_pinned");
  void* block = nullptr;
  const cudaError_t error = cudaHostAlloc(&block, bytes, cudaHostAllocDefault);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail(Code::OutOfMemory, properties_.device, ": the system has no ", bytes, " bytes of memory to pin for copies");
  }
  state_->check(error, "allocate_pinned");
  return block;
}

void Device::release_pinned(void* block) {
  cudaSetDevice(state_->index);
  cudaFreeHost(block);
}

void Device::upload(void* to, const void* pinned, size_t bytes) {
  state_->use("upload");
  if (state_->recording()) return state_->recorder->copy(to, pinned, bytes);
  state_->queued(cudaMemcpyAsync(to, pinned, bytes, cudaMemcpyHostToDevice, state_->stream), "upload");
}

void Device::download(void* pinned, const void* from, size_t bytes) {
  state_->use("download");
  if (state_->recording()) return state_->recorder->copy(pinned, from, bytes);
  state_->queued(cudaMemcpyAsync(pinned, from, bytes, cudaMemcpyDeviceToHost, state_->stream), "download");
}

void Device::copy(void* to, const void* from, size_t bytes) {
  state_->use("copy");
  if (state_->recording()) return state_->recorder->copy(to, from, bytes);
  state_->queued(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, state_->stream), "copy");
}

void Device::zero(void* address, size_t bytes) {
  state_->use("zero");
  if (state_->recording()) return state_->recorder->zero(address, bytes);
  state_->queued(cudaMemsetAsync(address, 0, bytes, state_->stream), "zero");
}

void Device::launch(const char* op, const void* kernel, const Grid& grid, void** arguments) {
  check_grid(op, grid, properties_);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  state_->use(op);
  if (grid.shared > shared_without_asking) {
    size_t& told = state_->shared[kernel];
    if (grid.shared > told) {
      state_->check(
          cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(grid.shared)), op);
      told = grid.shared;
    }
  }
  if (state_->recording()) return state_->recorder->kernel(kernel, grid, arguments);
  const dim3 blocks(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
  state_->queued(cudaLaunchKernel(kernel, blocks, dim3(static_cast<unsigned>(grid.threads)), arguments, grid.shared,
                                  state_->stream),
                 op);
}

Device::Mark Device::mark() {
  state_->use("mark");
  cudaEvent_t event;
  state_->check(state_->events->take(&event), "mark");
  Mark mark(event, [events = state_->events](void* e) { events->give_back(static_cast<cudaEvent_t>(e)); });
  if (state_->recording())
    state_->recorder->mark(mark);
  else
    state_->check(cudaEventRecord(event, state_->stream), "mark");
  return mark;
}

void Device::wait(const Mark& mark) {
  state_->use("wait");
  state_->submit();
  state_->check(cudaEventSynchronize(static_cast<cudaEvent_t>(mark.get())), "wait");
}

bool Device::done(const Mark& mark) {
  state_->use("done");
  if (state_->recorder && state_->recorder->awaits(mark)) return false;
  const cudaError_t error = cudaEventQuery(static_cast<cudaEvent_t>(mark.get()));
  if (error == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  state_->check(error, "done");
  return true;
}

void Device::begin_graph(uint64_t key) {
  if (state_->recorder) state_->recorder->begin(key);
}

void Device::end_graph() {
  state_->use("a graph");
  if (state_->recorder) state_->check(state_->recorder->end(), "a graph");
}

// An error is on its way already; the next call meets one that lasts.
void Device::abandon_graph() {
  if (state_->recorder && state_->recorder->end() != cudaSuccess) cudaGetLastError();
}

void* Device::stream() {
  state_->use("stream");
  state_->submit();
  return state_->stream;
}

void Device::synchronize() {
  state_->use("synchronize");
  state_->submit();
  state_->check(cudaStreamSynchronize(state_->stream), "synchronize");
}

}  // namespace whisper::gpu
