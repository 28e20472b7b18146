// Linear layers: y = x·Wᵀ + b and its gradients.
#include <algorithm>

#include "cpu/cpu_backend.h"
#include "cpu/expect.h"
#include "cpu/gemm.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using cpu::Factor;

// Up to this many rows (tokens being decoded) the product is bound by reading the weight: it is read once, in place.
constexpr int64_t kFewRows = 16;

void few_rows(const cpu::GemmKernels& kernels, const Out& y, const In& x, const In& weight, const In& bias) {
  const int64_t m = x.shape.rows(), n = weight.shape[0], k = weight.shape[1];
  const int64_t chunk = std::max<int64_t>(16, (int64_t{1} << 16) / k / 16 * 16);  // 256 KB of weight
  cpu::parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    const float* from[kFewRows];
    float* to[kFewRows];
    for (int64_t i = 0; i < m; ++i) {
      from[i] = x.row_of<float>(i);
      to[i] = y.row_of<float>(i) + begin;
    }
    kernels.dots(m, end - begin, k, from, cpu::row_of(weight, begin), k, bias ? bias.as<float>() + begin : nullptr, to);
  });
}

}  // namespace

void CpuBackend::linear(Out y, In x, In weight, In bias) {
  const cpu::Expect op("linear");
  const int64_t m = x.shape.rows(), n = weight.shape.rows(), k = x.shape.width();
  op.strided("x", x, m, k);
  op.dense("weight", weight, n, k);
  op.strided("y", y, m, n);
  if (bias) op.flat("bias", bias, n);
  if (m <= kFewRows) return few_rows(kernels_.gemm, y, x, weight, bias);
  cpu::gemm(kernels_.gemm, {m,
                            n,
                            k,
                            {cpu::rows_of(x), Factor::Across},
                            {cpu::rows_of(weight), Factor::Across},
                            cpu::rows_of(y),
                            bias ? bias.as<float>() : nullptr});
}

void CpuBackend::linear_backward(Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, bool add) {
  const cpu::Expect op("linear_backward");
  const int64_t m = dy.shape.rows(), n = dy.shape.width(), k = dx ? dx.shape.width() : x.shape.width();
  op.strided("dy", dy, m, n);
  if (dx) {
    op.dense("dx", dx, m, k);
    op.dense("weight", weight, n, k);
    cpu::gemm(kernels_.gemm, {m,
                              k,
                              n,
                              {cpu::rows_of(dy), Factor::Across},
                              {cpu::rows_of(weight), Factor::Along},
                              cpu::rows_of(dx),
                              nullptr,
                              add});
  }
  if (dweight) {
    op.strided("x", x, m, k);
    op.dense("dweight", dweight, n, k);
    cpu::gemm(kernels_.gemm, {n,
                              k,
                              m,
                              {cpu::rows_of(dy), Factor::Along},
                              {cpu::rows_of(x), Factor::Along},
                              {dweight.as<float>(), k},
                              nullptr,
                              true});
  }
  if (!dbias) return;
  op.flat("dbias", dbias, n);
  cpu::add_column_sums(kernels_.gemm, dbias.as<float>(), cpu::rows_of(dy), m, n);
}

}  // namespace whisper
