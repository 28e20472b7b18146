// The gradient of overlapping windows: every element of dx collects what the windows that saw it say.
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::fold(Out dx, In dwindows, int stride) {
  constexpr int64_t taps = 3;
  const Expect op("fold");
  op.rank("dx", dx, 3);
  op.rank("dwindows", dwindows, 3);
  const int64_t batch = dx.shape[0], time = dx.shape[1], width = dx.shape[2], windows = dwindows.shape[1];
  const DType type = op.compute("dwindows", dwindows);
  op.dense("dx", dx, batch * time, width, type);
  op.dense("dwindows", dwindows, batch * windows, taps * width, type);
  if (stride < 1 || (windows > 0 && (windows - 1) * stride + taps > time))
    fail(Code::ShapeMismatch, "fold: dwindows ", dwindows.shape, " at stride ", stride, " do not fit into dx ",
         dx.shape);
  cpu::parallel_for(batch * time, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t b = r / time, s = r % time;
      const void* seen[taps];
      int count = 0;
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int64_t t = (s - tap) / stride;
        if (s < tap || (s - tap) % stride != 0 || t >= windows) continue;
        seen[count++] = (cpu::row_of(dwindows, b * windows + t) + tap * width).address;
      }
      kernels_.elementwise.total(cpu::row_of(dx, r), seen, count, width);
    }
  });
}

}  // namespace whisper
