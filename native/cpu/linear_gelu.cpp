// A linear layer and the GELU behind it, or the two backwards: each row is activated while it is still in the cache.
#include "core/expect.h"
#include "cpu/cpu_backend.h"
#include "cpu/gemm.h"

namespace whisper {
namespace {

using cpu::Factor;

constexpr int64_t kFewRows = 32;  // up to this many nothing leaves the cache between two operations

}  // namespace

void CpuBackend::linear_gelu(Out y, Out h, In x, In weight, In bias) {
  const Expect op("linear_gelu");
  const int64_t m = x.shape.rows(), n = weight.shape.rows(), k = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("weight", weight, n, k, type);
  op.dense("h", h, m, n, type);
  op.strided("y", y, m, n, op.compute_or_f32("y", y, type));
  if (bias) op.flat("bias", bias, n);
  if (m <= kFewRows) return Backend::linear_gelu(y, h, x, weight, bias);
  cpu::gemm(products(type), {.m = m,
                             .n = n,
                             .k = k,
                             .a = {cpu::rows_of(x), Factor::Across},
                             .b = {cpu::rows_of(weight), Factor::Across},
                             .c = cpu::rows_of(h),
                             .bias = bias ? bias.as<float>() : nullptr,
                             .then = [&](int64_t row, int64_t column, int64_t columns) {
                               kernels_.elementwise.gelu(cpu::row_of(y, row) + column, cpu::row_of(h, row) + column,
                                                         columns);
                             }});
}

void CpuBackend::linear_gelu_backward(Out dh, In dy, In weight, In h) {
  const Expect op("linear_gelu_backward");
  const int64_t m = dy.shape.rows(), n = dy.shape.width(), k = h.shape.width();
  const DType type = op.compute("dy", dy);
  op.dense("weight", weight, n, k, type);
  op.dense("h", h, m, k, type);
  op.dense("dh", dh, m, k, type);
  cpu::gemm(products(type), {.m = m,
                             .n = k,
                             .k = n,
                             .a = {cpu::rows_of(dy), Factor::Across},
                             .b = {cpu::rows_of(weight), Factor::Along},
                             .c = cpu::rows_of(dh),
                             .then = [&](int64_t row, int64_t column, int64_t columns) {
                               const cpu::Floats to = cpu::row_of(dh, row) + column;
                               kernels_.elementwise.gelu_backward(to, to, cpu::row_of(h, row) + column, columns);
                             }});
}

}  // namespace whisper
