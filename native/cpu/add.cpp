// Sums of activations: z = x + y, and z[b, t] = x[b, t] + table[t].
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::add(Out z, In x, In y) {
  const Expect op("add");
  const int64_t n = x.shape.size();
  op.flat("x", x, n);
  op.flat("y", y, n, op.compute("y", y));
  op.flat("z", z, n);
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels_.elementwise.add(z.as<float>() + begin, x.as<float>() + begin, cpu::ConstFloats(y.address, y.dtype) + begin,
                             end - begin);
  });
}

void CpuBackend::add_positions(Out z, In x, In table) {
  const Expect op("add_positions");
  op.rank("x", x, 3);
  const int64_t rows = x.shape.rows(), time = x.shape[1], width = x.shape.width();
  op.dense("x", x, rows, width);
  op.dense("z", z, rows, width);
  op.table("table", table, time, width);
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.elementwise.add(z.row_of<float>(r), x.row_of<float>(r), table.row_of<float>(r % time), width);
  });
}

}  // namespace whisper
