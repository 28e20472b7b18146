// Dropout (Srivastava et al., JMLR 15, 2014) with counter-based random numbers: the mask is never stored.
#include "core/half.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/expect.h"
#include "cpu/thread_pool.h"

namespace whisper {

// Chunks are whole groups of four elements, which share one call of the generator.
void CpuBackend::dropout(Out y, In x, Dropout dropout) {
  constexpr int64_t group = 4;
  const cpu::Expect op("dropout");
  const int64_t n = x.shape.size();
  op.flat("x", x, n, op.compute("x", x));
  op.flat("y", y, n, op.compute("y", y));
  op.rate(dropout);
  const uint32_t threshold = dropout.threshold();
  const float scale = dropout.scale();
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += group) {
      const int64_t count = std::min(group, end - i);
      const auto numbers = dropout.numbers(static_cast<uint64_t>(i / group));
      float v[group];
      kernels_.elementwise.cast(v, cpu::ConstFloats(x.address, x.dtype) + i, count);
      for (int64_t j = 0; j < count; ++j) v[j] = numbers[j] < threshold ? 0.0f : v[j] * scale;
      kernels_.elementwise.cast(cpu::Floats(y.address, y.dtype) + i, v, count);
    }
  });
}

}  // namespace whisper
