// Multiples of a tensor: y = factor·x.
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::multiply(Out y, In x, float factor) {
  const Expect op("multiply");
  const int64_t n = x.shape.size();
  op.flat("x", x, n, op.compute("x", x));
  op.flat("y", y, n, op.compute("y", y));
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels_.elementwise.multiply(cpu::Floats(y.address, y.dtype) + begin, cpu::ConstFloats(x.address, x.dtype) + begin,
                                  factor, end - begin);
  });
}

}  // namespace whisper
