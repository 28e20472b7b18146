// GELU (Hendrycks and Gimpel, arXiv:1606.08415): y = x·Φ(x), dx = dy·(Φ(x) + x·φ(x)), the exact form, without tanh.
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::gelu(Out y, In x) {
  const Expect op("gelu");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("x", x, rows, width, type);
  op.strided("y", y, rows, width, op.compute_or_f32("y", y, type));
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels_.elementwise.gelu(cpu::row_of(y, r), cpu::row_of(x, r), width);
  });
}

void CpuBackend::gelu_backward(Out dx, In dy, In x) {
  const Expect op("gelu_backward");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("x", x, rows, width, type);
  op.dense("dx", dx, rows, width, type);
  op.strided("dy", dy, rows, width, op.compute_or_f32("dy", dy, type));
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.elementwise.gelu_backward(cpu::row_of(dx, r), cpu::row_of(dy, r), cpu::row_of(x, r), width);
  });
}

}  // namespace whisper
