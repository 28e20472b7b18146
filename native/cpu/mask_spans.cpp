// Rectangles of the features set to zero (SpecAugment, arXiv:1904.08779): few and small, so one thread does it.
#include <cstring>

#include "core/expect.h"
#include "cpu/cpu_backend.h"

namespace whisper {

void CpuBackend::mask_spans(Acc x, In spans) {
  const Expect op("mask_spans");
  op.rank("x", x, 3);
  op.strided("x", x, x.shape.rows(), x.shape.width());
  const int64_t batch = x.shape[0], time = x.shape[1], width = x.shape[2], n = spans.shape.rows();
  op.dense("spans", spans, n, 5, DType::I32);
  for (int64_t i = 0; i < n; ++i) {
    const int32_t* span = spans.row_of<int32_t>(i);
    const int32_t b = span[0], t0 = span[1], t1 = span[2], m0 = span[3], m1 = span[4];
    if (b < 0 || b >= batch || t0 < 0 || t1 < t0 || t1 > time || m0 < 0 || m1 < m0 || m1 > width)
      fail(Code::InvalidArgument, "mask_spans: span ", i, " is {", b, ", ", t0, ", ", t1, ", ", m0, ", ", m1,
           "}, outside x ", x.shape);
    for (int64_t t = t0; t < t1; ++t)
      std::memset(x.row_of<float>(b * time + t) + m0, 0, static_cast<size_t>(m1 - m0) * sizeof(float));
  }
}

}  // namespace whisper
