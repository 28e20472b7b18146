// The same numbers in another dtype: f32 to a 16-bit float rounds to nearest, ties to even.
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::cast(Out y, In x) {
  const Expect op("cast");
  const int64_t n = x.shape.size();
  op.flat("x", x, n, op.compute("x", x));
  op.flat("y", y, n, op.compute("y", y));
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels_.elementwise.cast(cpu::Floats(y.address, y.dtype) + begin, cpu::ConstFloats(x.address, x.dtype) + begin,
                              end - begin);
  });
}

}  // namespace whisper
