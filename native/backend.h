// A place where tensors live and operations run: a CPU, a GPU, or nowhere (the memory planner's dry run).
#pragma once
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/dropout.h"
#include "core/hyperparameters.h"
#include "core/sampling.h"
#include "core/tensor.h"
#include "core/timestamp_rules.h"

namespace whisper {

// Operations are queued in order; their results may be read after synchronize(). One thread uses a back end at a time.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual std::string name() const = 0;
  virtual std::shared_ptr<void> allocate(size_t bytes) = 0;  // uninitialised; returns to a pool when released
  virtual void upload(void* device, const void* host, size_t bytes) = 0;
  virtual void download(void* host, const void* device, size_t bytes) = 0;
  virtual void zero(void* device, size_t bytes) = 0;
  virtual void copy(void* to, const void* from, size_t bytes) = 0;  // both on the device
  virtual void synchronize() = 0;
  virtual size_t live_bytes() const = 0;  // held by tensors now
  virtual size_t peak_bytes() const = 0;  // the most ever held at once since the last reset_peak()
  virtual void reset_peak() = 0;
  // What tensors could still take of a memory of the device's own; 0 where theirs is the system's.
  virtual size_t available_bytes() const { return 0; }
  // Tensors that would make live_bytes() exceed this are refused with OutOfMemory from now on. 0: no limit.
  virtual void limit_bytes(size_t bytes) = 0;
  // From now on products of f32 may round their factors, to two bf16 each on the CPU (docs/numerics.md), where that is
  // what makes them fast. Throws InvalidArgument where they cannot be made so.
  virtual void fast_products() = 0;

  // Work queued between the two may be put together and submitted at once (CUDA graphs), which costs the host less.
  // Work that begins with the same key should consist of the same operations in the same order; their operands may
  // differ. A wait for results in between is allowed. abandon_graph() instead of end_graph(): the work was given up.
  virtual void begin_graph(uint64_t /*key*/) {}
  virtual void end_graph() {}
  virtual void abandon_graph() {}

#define OP(name, ...) virtual void name(__VA_ARGS__) = 0;
#define FUSED(name, ...) virtual void name(__VA_ARGS__);
#include "ops.def"
#undef OP

  Tensor empty(Shape shape, DType dtype = DType::F32) {
    return {allocate(static_cast<size_t>(shape.size()) * size_of(dtype)), shape, dtype};
  }
  Tensor zeros(Shape shape, DType dtype = DType::F32) {
    Tensor t = empty(shape, dtype);
    zero(t.address, static_cast<size_t>(shape.size()) * size_of(dtype));
    return t;
  }
  Tensor from_host(const void* data, Shape shape, DType dtype = DType::F32) {
    Tensor t = empty(shape, dtype);
    upload(t.address, data, static_cast<size_t>(shape.size()) * size_of(dtype));
    return t;
  }
};

inline void Backend::linear_gelu(Out y, Out h, In x, In weight, In bias) {
  linear(h, x, weight, bias);
  gelu(y, h);
}

inline void Backend::linear_gelu_backward(Out dh, In dy, In weight, In h) {
  linear_backward(dh, View(), View(), dy, View(), weight, /*add=*/false);
  gelu_backward(dh, dh, h);
}

// What is queued between its beginning and end() is one graph; an error on the way gives it up.
class Graph {
 public:
  Graph(Backend& backend, uint64_t key) : backend_(&backend) { backend.begin_graph(key); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void end() { std::exchange(backend_, nullptr)->end_graph(); }
  ~Graph() {
    if (backend_) backend_->abandon_graph();
  }

 private:
  Backend* backend_;
};

// "cpu", "cuda" or "cuda:1"; "cuda" is the first GPU that can be opened, "auto" that or else the CPU. "cuda-emulator"
// runs the kernels of CUDA on the CPU, for tests, in a build that has it. Throws DeviceUnavailable for a device that is
// not here, InvalidArgument for a name that is none.
std::shared_ptr<Backend> open_backend(const std::string& device);

// A GPU of this machine.
struct Gpu {
  std::string device;      // "cuda:0", as open_backend takes it
  std::string name;        // "NVIDIA H200"
  std::string capability;  // the compute capability, "9.0"
  size_t memory = 0;       // bytes
  std::string problem;     // why it cannot be opened, if it cannot
};

// What this machine and this binary offer.
struct DeviceInfo {
  std::vector<std::string> devices;  // names that open_backend takes
  std::string isa;                   // the CPU's instruction set in use
  std::vector<std::string> isas;     // all it could use, narrowest first
  int threads = 0;                   // of the CPU back end
  std::string cuda;                  // "present" where a GPU can be opened, otherwise why none can
  std::vector<Gpu> gpus;             // all that the driver shows
};

// Throws InvalidArgument when WHISPER_TUNE_ISA or WHISPER_TUNE_THREADS is wrong.
DeviceInfo device_info();

// The most that the CPU's arithmetic reaches in registers, in FLOP/s: what products and attention are measured beside.
struct Roof {
  double one_thread = 0;
  double all_threads = 0;
};

// By the dtype of the factors, for those that the instruction set in use has instructions for; sums are f32. Measured
// at each call, which takes about a tenth of a second per dtype.
std::map<std::string, Roof> measured_roofs();

}  // namespace whisper
