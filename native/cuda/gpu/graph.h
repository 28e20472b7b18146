// Queued work put together into CUDA graphs: a training step is some thousand launches, each of which costs the host
// some microseconds; as a graph it is submitted with one call.
//
// A step is not captured once and played back: its addresses, learning rate, random numbers and label lengths change.
// It is queued anew each time, through the same calls, which is cheap while nothing goes to the driver. Each call is
// compared with what the graph holds at its place, and only what differs is changed there
// (cudaGraphExecKernelNodeSetParams). So a graph needs no fixed shapes, and whatever is queued is what runs; only when
// the kinds of the calls or their number change is a graph built again.
#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "cuda/device.h"

namespace whisper::gpu {

class GraphRecorder {
 public:
  explicit GraphRecorder(cudaStream_t stream) : stream_(stream) {}
  GraphRecorder(const GraphRecorder&) = delete;
  GraphRecorder& operator=(const GraphRecorder&) = delete;
  ~GraphRecorder();

  bool recording() const { return recording_; }

  // From here to end() work is recorded. Stretches that queue the same kinds of calls in the same order should have the
  // same key.
  void begin(uint64_t key);
  void kernel(const void* function, const Grid& grid, void** arguments);
  void copy(void* to, const void* from, size_t bytes);
  void zero(void* to, size_t bytes);
  // An event to be recorded behind what has been recorded, when that is submitted.
  void mark(std::shared_ptr<void> event) { marks_.push_back(std::move(event)); }
  bool awaits(const std::shared_ptr<void>& event) const {
    return std::find(marks_.begin(), marks_.end(), event) != marks_.end();
  }
  // Submits what has been recorded, for a host that is about to wait for it; what follows is another graph.
  cudaError_t submit();
  cudaError_t end();

 private:
  // One call, and all it was made with.
  struct Call {
    enum class Kind { kernel, copy, zero } kind;
    const void* function = nullptr;
    Grid grid{};
    std::vector<std::byte> arguments{};  // of the kernel, one behind the other
    void* to = nullptr;
    const void* from = nullptr;
    size_t bytes = 0;
    cudaGraphNode_t node = nullptr;
  };
  struct Graph {
    uint64_t key;
    int part;
    std::vector<Call> calls{};
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
  };

  void record(Call call);
  Graph& current();
  cudaError_t build(Graph& graph);
  cudaError_t record_marks();
  cudaError_t change(const Graph& graph, const Call& call);
  static void destroy(Graph& graph);
  const std::vector<size_t>& sizes_of_arguments(const void* function);

  const cudaStream_t stream_;
  bool recording_ = false;
  uint64_t key_ = 0;
  int part_ = 0;          // since begin(): a new one after each submit()
  size_t at_ = 0;         // calls recorded in this part
  bool changed_ = false;  // the calls of this part are not those the graph was built of
  std::vector<std::shared_ptr<void>> marks_;
  std::list<Graph> graphs_;  // the latest used first
  std::map<const void*, std::vector<size_t>> sizes_;
};

}  // namespace whisper::gpu
