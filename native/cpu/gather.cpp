// Chosen entries of the first dimension: y[i] = x[index[i]], of any element type.
#include <cstring>

#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::gather(Out y, In x, In index) {
  const Expect op("gather");
  // A vector's entries are its elements, a matrix's its rows; otherwise an entry is a batch entry of some rows.
  const bool vector = x.shape.rank == 1, batched = x.shape.rank >= 3;
  const int64_t entries = x.shape[0], n = index.shape.size();
  const int64_t rows = batched ? x.period() : 1, width = vector ? 1 : x.shape.width();
  op.flat("index", index, n, DType::I32);
  op.present("x", x, x.dtype);
  op.flat("y", y, n * rows * width, x.dtype);
  if (y.shape.rank != x.shape.rank || y.shape[0] != n || (!vector && y.shape.width() != width))
    fail(Code::ShapeMismatch, "gather: y ", y.shape, ", expected ", n, " entries like those of x ", x.shape);
  for (int64_t i = 0; i < n; ++i)
    if (const int32_t from = index.as<int32_t>()[i]; from < 0 || from >= entries)
      fail(Code::InvalidArgument, "gather: index[", i, "] is ", from, ", x has ", entries, " entries");

  const int64_t bytes = static_cast<int64_t>(size_of(x.dtype));
  const int64_t step = vector ? 1 : batched ? x.batch_stride : x.row_stride;
  cpu::parallel_for(n * rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t from = index.as<int32_t>()[r / rows] * step + r % rows * x.row_stride;
      std::memcpy(y.as<std::byte>() + r * width * bytes, x.as<std::byte>() + from * bytes,
                  static_cast<size_t>(width * bytes));
    }
  });
}

}  // namespace whisper
