// A linear layer and the GELU behind it, or the two backwards: what GELU does to each sum is done where the sum is
// made.
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/gemm.h"

namespace whisper {

using cuda::Factor;

void CudaBackend::linear_gelu(Out y, Out h, In x, In weight, In bias) {
  const Expect op("linear_gelu");
  const int64_t m = x.shape.rows(), n = weight.shape.rows(), k = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("weight", weight, n, k, type);
  op.dense("h", h, m, n, type);
  op.strided("y", y, m, n, op.compute_or_f32("y", y, type));
  if (bias) op.flat("bias", bias, n);
  cuda::gemm(*this, "linear_gelu",
             {.m = m,
              .n = n,
              .k = k,
              .a = {x, Factor::Across},
              .b = {weight, Factor::Across},
              .c = h,
              .bias = bias.as<float>(),
              .gelu = y});
}

void CudaBackend::linear_gelu_backward(Out dh, In dy, In weight, In h) {
  const Expect op("linear_gelu_backward");
  const int64_t m = dy.shape.rows(), n = dy.shape.width(), k = h.shape.width();
  const DType type = op.compute("dy", dy);
  op.dense("weight", weight, n, k, type);
  op.dense("h", h, m, k, type);
  op.dense("dh", dh, m, k, type);
  cuda::gemm(
      *this, "linear_gelu_backward",
      {.m = m, .n = k, .k = n, .a = {dy, Factor::Across}, .b = {weight, Factor::Along}, .c = dh, .gelu_input = h});
}

}  // namespace whisper
