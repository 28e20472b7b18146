// Chosen entries of the first dimension: y[i] = x[index[i]], of any element type.
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/fault.cuh"
#include "cuda/rows.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256;

// In units of as many bytes as a thread copies at once.
struct Entries {
  int64_t rows, width;       // of an entry
  int64_t step, row_stride;  // from entry to entry of x, and from row to row
  int64_t chosen, count;     // entries of y and of x
};

template <class Unit>
__global__ void __launch_bounds__(threads)
    gather_kernel(Unit* y, const Unit* x, const int32_t* index, Entries entries, cuda::Fault* fault) {
  const auto [rows, width, step, row_stride, chosen, count] = entries;
  const int64_t at = int64_t{blockIdx.x} * threads + threadIdx.x, row = at / width, column = at % width;
  const int64_t entry = row / rows;
  if (entry >= chosen) return;
  const int32_t from = index[entry];
  if (from >= 0 && from < count)
    y[at] = x[from * step + row % rows * row_stride + column];
  else if (column == 0)
    cuda::report(fault, cuda::FaultKind::index, entry, from, count);
}

}  // namespace

void CudaBackend::gather(Out y, In x, In index) {
  const Expect op("gather");
  // A vector's entries are its elements, a matrix's its rows; otherwise an entry is a batch entry of some rows.
  const bool vector = x.shape.rank == 1, batched = x.shape.rank >= 3;
  const int64_t count = x.shape[0], n = index.shape.size();
  const int64_t rows = batched ? x.period() : 1, width = vector ? 1 : x.shape.width();
  op.flat("index", index, n, DType::I32);
  op.present("x", x, x.dtype);
  op.flat("y", y, n * rows * width, x.dtype);
  if (y.shape.rank != x.shape.rank || y.shape[0] != n || (!vector && y.shape.width() != width))
    fail(Code::ShapeMismatch, "gather: y ", y.shape, ", expected ", n, " entries like those of x ", x.shape);
  if (n * rows * width == 0) return;

  const int64_t step = vector ? 1 : batched ? x.batch_stride : x.row_stride;
  const auto size = static_cast<int64_t>(size_of(x.dtype));
  const auto copy = [&]<class Unit>(Unit) {
    const auto units = [&](int64_t elements) { return elements * size / static_cast<int64_t>(sizeof(Unit)); };
    const Entries entries{rows, units(width), units(step), units(x.row_stride), n, count};
    launch(device(), "gather", {.x = cuda::blocks(n * rows * entries.width, threads)}, gather_kernel<Unit>,
           y.as<Unit>(), x.as<Unit>(), index.as<int32_t>(), entries, fault());
  };
  const auto addresses = reinterpret_cast<uintptr_t>(x.address) | reinterpret_cast<uintptr_t>(y.address);
  const int64_t lengths = (width | step | x.row_stride) * size;
  if ((static_cast<int64_t>(addresses) | lengths) % 16 == 0)
    copy(uint4{});
  else if (size == 4)
    copy(uint32_t{});
  else if (size == 2)
    copy(uint16_t{});
  else
    copy(uint8_t{});
}

}  // namespace whisper
