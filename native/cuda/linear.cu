// Linear layers: y = x·Wᵀ + b and its gradients.
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/gemm.h"

namespace whisper {

using cuda::Factor;

void CudaBackend::linear(Out y, In x, In weight, In bias) {
  const Expect op("linear");
  const int64_t m = x.shape.rows(), n = weight.shape.rows(), k = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("weight", weight, n, k, type);
  op.strided("y", y, m, n, op.compute_or_f32("y", y, type));
  if (bias) op.flat("bias", bias, n);
  cuda::gemm(*this, "linear",
             {.m = m,
              .n = n,
              .k = k,
              .a = {x, Factor::Across},
              .b = {weight, Factor::Across},
              .c = y,
              .bias = bias.as<float>()});
}

void CudaBackend::linear_backward(Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, bool add) {
  const Expect op("linear_backward");
  const int64_t m = dy.shape.rows(), n = dy.shape.width(), k = dx ? dx.shape.width() : x.shape.width();
  const DType type = op.compute("dy", dy);
  if (dx) {
    op.strided("dx", dx, m, k, op.compute_or_f32("dx", dx, type));
    op.dense("weight", weight, n, k, type);
    cuda::gemm(*this, "linear_backward",
               {.m = m, .n = k, .k = n, .a = {dy, Factor::Across}, .b = {weight, Factor::Along}, .c = dx, .add = add});
  }
  if (dweight) {
    op.strided("x", x, m, k, type);
    op.dense("dweight", dweight, n, k);
    cuda::gemm(*this, "linear_backward",
               {.m = n, .n = k, .k = m, .a = {dy, Factor::Along}, .b = {x, Factor::Along}, .c = dweight, .add = true});
  }
  if (dbias) {
    op.flat("dbias", dbias, n);
    cuda::add_column_sums(*this, "linear_backward", dbias.as<float>(), dy, m, n);
  }
}

}  // namespace whisper
