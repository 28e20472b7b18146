// One GPU and its one queue of work: all that the CUDA back end needs of a driver. cuda/gpu/device.cu speaks to CUDA,
// test/emulator/gpu/device.cpp to the emulator. What goes wrong throws DeviceUnavailable when a GPU is opened,
// OutOfMemory or, when a GPU fails while it works, DeviceFailed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace whisper::gpu {

// Of a launch: blocks, threads of a block (whole warps), and bytes of dynamic shared memory.
struct Grid {
  int64_t x = 1, y = 1, z = 1;
  int threads = 256;
  size_t shared = 0;
};

struct Properties {
  std::string device;  // "cuda:0", as open_backend() takes it
  std::string name;    // "NVIDIA H200"
  int capability = 0;  // compute capability, 80 for 8.0
  int processors = 0;  // streaming multiprocessors
  size_t memory = 0;   // bytes
  size_t shared = 0;   // bytes of shared memory that a block can have
  int driver = 0;      // the CUDA version that the driver serves, 13000 for 13.0
  bool emulated = false;
  // allocate() makes blocks of exactly the size asked for, so that a sanitizer sees what goes beyond: nothing may cut
  // them into smaller ones.
  bool exact_blocks = false;
};

// Throws InvalidArgument, naming the operation, for a grid that this GPU cannot launch.
void check_grid(const char* op, const Grid& grid, const Properties& properties);

class Device {
 public:
  explicit Device(int index);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  ~Device();

  const Properties& properties() const { return properties_; }

  // Null when there is not so much.
  void* allocate(size_t bytes);
  void release(void* block);
  size_t free_bytes() const;
  // Memory of the host that the GPU can read while the host goes on.
  void* allocate_pinned(size_t bytes);
  void release_pinned(void* block);

  // Queued behind everything before. Host memory is pinned, and left alone until a mark behind the copy has been waited
  // for. A grid without blocks launches nothing.
  void upload(void* to, const void* pinned, size_t bytes);
  void download(void* pinned, const void* from, size_t bytes);
  void copy(void* to, const void* from, size_t bytes);
  void zero(void* address, size_t bytes);
  // For gpu/launch.cuh, which knows the kernel's type: CUDA's body takes the kernel's address and those of its
  // arguments, the emulator's a std::function<void()>.
  void launch(const char* op, const void* kernel, const Grid& grid, void** arguments);

  // From here to end_graph() work is put together instead of queued, and queued as one graph there, or as several where
  // the host waits in between; begin_graph() does nothing unless graphs are asked for (settings.h). Stretches that
  // queue the same kinds of work in the same order have the same key. abandon_graph() is for an error on the way, and
  // throws none: what was put together is done all the same, as it would be without graphs, for there may be something
  // in it that is kept, like an operation's tables.
  void begin_graph(uint64_t key);
  void end_graph();
  void abandon_graph();

  // A place in the queue, and a wait of the host until the work before it is done. Marks may outlive the device.
  using Mark = std::shared_ptr<void>;
  Mark mark();
  void wait(const Mark& mark);
  bool done(const Mark& mark);
  // Waits for everything. Throws what queued work met.
  void synchronize();

  // cudaStream_t, for libraries that queue work themselves.
  void* stream();

 private:
  Properties properties_;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace whisper::gpu
