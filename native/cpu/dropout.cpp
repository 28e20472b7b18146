// Dropout (Srivastava et al., JMLR 15, 2014) with counter-based random numbers: the mask is never stored.
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

// Chunks are whole groups of four elements, which share one call of the generator.
void CpuBackend::dropout(Out y, In x, Dropout dropout) {
  const Expect op("dropout");
  const int64_t n = x.shape.size();
  op.flat("x", x, n, op.compute("x", x));
  op.flat("y", y, n, op.compute("y", y));
  op.rate(dropout);
  static_assert(cpu::chunk_elements % 4 == 0);
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels_.elementwise.dropout(cpu::Floats(y.address, y.dtype) + begin, cpu::ConstFloats(x.address, x.dtype) + begin,
                                 end - begin, static_cast<uint64_t>(begin), dropout);
  });
}

}  // namespace whisper
