// GELU (Hendrycks and Gimpel, arXiv:1606.08415): y = x·Φ(x), dx = dy·(Φ(x) + x·φ(x)), the exact form, without tanh.
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/expect.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::gelu(Out y, In x) {
  const cpu::Expect op("gelu");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  op.dense("x", x, rows, width);
  op.strided("y", y, rows, width);
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels_.elementwise.gelu(y.row_of<float>(r), x.row_of<float>(r), width);
  });
}

void CpuBackend::gelu_backward(Out dx, In dy, In x) {
  const cpu::Expect op("gelu_backward");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  op.dense("x", x, rows, width);
  op.dense("dx", dx, rows, width);
  op.strided("dy", dy, rows, width);
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.elementwise.gelu_backward(dx.row_of<float>(r), dy.row_of<float>(r), x.row_of<float>(r), width);
  });
}

}  // namespace whisper
