// See graph.h.
#include <algorithm>
#include <cstring>

#include "cuda/gpu/graph.h"

namespace whisper::gpu {
namespace {

// Graphs that are kept: a step's few parts, for some lengths of labels or of a prompt.
constexpr size_t most_graphs = 16;

dim3 blocks_of(const Grid& grid) {
  return {static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)};
}

bool equal(const Grid& a, const Grid& b) {
  return a.x == b.x && a.y == b.y && a.z == b.z && a.threads == b.threads && a.shared == b.shared;
}

// Kernels take their arguments by a list of addresses.
std::vector<void*> addresses_of(std::vector<std::byte>& arguments, const std::vector<size_t>& sizes) {
  std::vector<void*> addresses;
  size_t offset = 0;
  for (const size_t size : sizes) {
    addresses.push_back(arguments.data() + offset);
    offset += size;
  }
  addresses.push_back(nullptr);
  return addresses;
}

cudaKernelNodeParams parameters_of(const void* function, const Grid& grid, void** arguments) {
  cudaKernelNodeParams parameters{};
  parameters.func = const_cast<void*>(function);
  parameters.gridDim = blocks_of(grid);
  parameters.blockDim = dim3(static_cast<unsigned>(grid.threads));
  parameters.sharedMemBytes = static_cast<unsigned>(grid.shared);
  parameters.kernelParams = arguments;
  return parameters;
}

cudaMemsetParams zeros(void* to, size_t bytes) {
  cudaMemsetParams parameters{};
  parameters.dst = to;
  parameters.elementSize = 1;
  parameters.width = bytes;
  parameters.height = 1;
  return parameters;
}

}  // namespace

GraphRecorder::~GraphRecorder() {
  for (Graph& graph : graphs_) destroy(graph);
}

void GraphRecorder::destroy(Graph& graph) {
  if (graph.executable) cudaGraphExecDestroy(graph.executable);
  if (graph.graph) cudaGraphDestroy(graph.graph);
  graph.executable = nullptr;
  graph.graph = nullptr;
}

void GraphRecorder::begin(uint64_t key) {
  recording_ = true;
  key_ = key;
  part_ = 0;
  at_ = 0;
  changed_ = false;
}

GraphRecorder::Graph& GraphRecorder::current() {
  const auto found = std::find_if(graphs_.begin(), graphs_.end(),
                                  [&](const Graph& graph) { return graph.key == key_ && graph.part == part_; });
  if (found != graphs_.end()) {
    graphs_.splice(graphs_.begin(), graphs_, found);
  } else {
    graphs_.push_front({.key = key_, .part = part_});
    if (graphs_.size() > most_graphs) {
      destroy(graphs_.back());
      graphs_.pop_back();
    }
  }
  return graphs_.front();
}

const std::vector<size_t>& GraphRecorder::sizes_of_arguments(const void* function) {
  const auto [entry, is_new] = sizes_.try_emplace(function);
  for (size_t i = 0, offset = 0, size = 0; is_new; ++i) {
    if (cudaFuncGetParamInfo(function, i, &offset, &size) != cudaSuccess) {
      cudaGetLastError();  // there is no argument i
      break;
    }
    entry->second.push_back(size);
  }
  return entry->second;
}

void GraphRecorder::kernel(const void* function, const Grid& grid, void** arguments) {
  Call call{.kind = Call::Kind::kernel, .function = function, .grid = grid};
  const std::vector<size_t>& sizes = sizes_of_arguments(function);
  for (size_t i = 0; i < sizes.size(); ++i) {
    const auto* const value = static_cast<const std::byte*>(arguments[i]);
    call.arguments.insert(call.arguments.end(), value, value + sizes[i]);
  }
  record(std::move(call));
}

void GraphRecorder::copy(void* to, const void* from, size_t bytes) {
  record({.kind = Call::Kind::copy, .to = to, .from = from, .bytes = bytes});
}

void GraphRecorder::zero(void* to, size_t bytes) { record({.kind = Call::Kind::zero, .to = to, .bytes = bytes}); }

void GraphRecorder::record(Call call) {
  Graph& graph = current();
  const bool built = graph.executable && !changed_;
  if (!built || at_ >= graph.calls.size() || graph.calls[at_].kind != call.kind) {
    // From here on the graph is another: it will be built again of the calls so far and those to come.
    changed_ = true;
    graph.calls.resize(at_);
    graph.calls.push_back(std::move(call));
  } else {
    Call& there = graph.calls[at_];
    const bool same = there.function == call.function && equal(there.grid, call.grid) && there.to == call.to &&
                      there.from == call.from && there.bytes == call.bytes && there.arguments == call.arguments;
    if (!same) {
      call.node = there.node;
      there = std::move(call);
      if (const cudaError_t error = change(graph, there); error != cudaSuccess) {
        cudaGetLastError();  // the driver does not take this change, as of a copy to memory of another kind
        changed_ = true;
        graph.calls.resize(at_ + 1);
      }
    }
  }
  ++at_;
}

cudaError_t GraphRecorder::change(const Graph& graph, const Call& call) {
  switch (call.kind) {
    case Call::Kind::copy:
      return cudaGraphExecMemcpyNodeSetParams1D(graph.executable, call.node, call.to, call.from, call.bytes,
                                                cudaMemcpyDefault);
    case Call::Kind::zero: {
      const cudaMemsetParams parameters = zeros(call.to, call.bytes);
      return cudaGraphExecMemsetNodeSetParams(graph.executable, call.node, &parameters);
    }
    case Call::Kind::kernel:
      break;
  }
  std::vector<std::byte> arguments = call.arguments;
  std::vector<void*> addresses = addresses_of(arguments, sizes_of_arguments(call.function));
  const cudaKernelNodeParams parameters = parameters_of(call.function, call.grid, addresses.data());
  return cudaGraphExecKernelNodeSetParams(graph.executable, call.node, &parameters);
}

// A chain: each call begins when the one before has ended, as in a stream.
cudaError_t GraphRecorder::build(Graph& graph) {
  destroy(graph);
  cudaError_t error = cudaGraphCreate(&graph.graph, 0);
  const cudaGraphNode_t* before = nullptr;
  for (Call& call : graph.calls) {
    if (error != cudaSuccess) return error;
    const size_t count = before ? 1 : 0;
    if (call.kind == Call::Kind::copy) {
      error = cudaGraphAddMemcpyNode1D(&call.node, graph.graph, before, count, call.to, call.from, call.bytes,
                                       cudaMemcpyDefault);
    } else if (call.kind == Call::Kind::zero) {
      const cudaMemsetParams parameters = zeros(call.to, call.bytes);
      error = cudaGraphAddMemsetNode(&call.node, graph.graph, before, count, &parameters);
    } else {
      std::vector<void*> addresses = addresses_of(call.arguments, sizes_of_arguments(call.function));
      const cudaKernelNodeParams parameters = parameters_of(call.function, call.grid, addresses.data());
      error = cudaGraphAddKernelNode(&call.node, graph.graph, before, count, &parameters);
    }
    before = &call.node;
  }
  return error == cudaSuccess ? cudaGraphInstantiate(&graph.executable, graph.graph, 0) : error;
}

cudaError_t GraphRecorder::submit() {
  cudaError_t error = cudaSuccess;
  if (recording_ && at_ > 0) {
    Graph& graph = current();
    if (changed_ || at_ < graph.calls.size()) {
      graph.calls.resize(at_);
      error = build(graph);
    }
    if (error == cudaSuccess) error = cudaGraphLaunch(graph.executable, stream_);
    if (error != cudaSuccess) destroy(graph);
    ++part_;
  }
  at_ = 0;
  changed_ = false;
  const cudaError_t of_marks = record_marks();
  return error != cudaSuccess ? error : of_marks;
}

cudaError_t GraphRecorder::record_marks() {
  cudaError_t error = cudaSuccess;
  for (const auto& mark : marks_)
    if (error == cudaSuccess) error = cudaEventRecord(static_cast<cudaEvent_t>(mark.get()), stream_);
  marks_.clear();
  return error;
}

cudaError_t GraphRecorder::end() {
  const cudaError_t error = submit();
  recording_ = false;
  return error;
}

}  // namespace whisper::gpu
