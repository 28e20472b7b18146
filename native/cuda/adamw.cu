// AdamW (Loshchilov and Hutter, arXiv:1711.05101) in the orders of operations of torch and of transformers: what
// depends on the step alone in double, the rest in float. One pass: each element is read and written once.
#include "core/expect.h"
#include "cuda/adamw.cuh"
#include "cuda/cuda_backend.h"
#include "cuda/quad.cuh"
#include "cuda/rows.cuh"
#include "cuda/value_copy.h"

namespace whisper {
namespace {

using namespace gpu;
using cuda::quad;

constexpr int threads = 256;

template <class C>
__global__ void __launch_bounds__(threads)
    adamw_kernel(float* value, float* m, float* v, const float* grad, const float* scale, C* copy, int64_t n, bool wide,
                 AdamwStep step) {
  const float s = *scale;
  const int64_t i = (int64_t{blockIdx.x} * threads + threadIdx.x) * quad;
  if (s == 0 || i >= n) return;
  float p[quad], m1[quad], v1[quad], g[quad];
  cuda::load_quad(p, value, i, n, wide);
  cuda::load_quad(m1, m, i, n, wide);
  cuda::load_quad(v1, v, i, n, wide);
  cuda::load_quad(g, grad, i, n, wide);
#pragma unroll
  for (int j = 0; j < quad; ++j) cuda::adamw_update(p[j], m1[j], v1[j], s * g[j], step);
  cuda::store_quad(value, p, i, n, wide);
  cuda::store_quad(m, m1, i, n, wide);
  cuda::store_quad(v, v1, i, n, wide);
  if (copy) cuda::store_quad(copy, p, i, n, wide);
}

void update(const char* name, CudaBackend& backend, const Acc& value, const Acc& m, const Acc& v, const In& grad,
            const In& scale, const AdamwStep& step, const Out& copy) {
  const Expect op(name);
  const int64_t n = value.shape.size();
  op.flat("value", value, n);
  op.flat("m", m, n);
  op.flat("v", v, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  cuda::with_copy(op, copy, value, [&](auto* copies) {
    using C = std::remove_pointer_t<decltype(copies)>;
    if (n == 0) return;
    launch(backend.device(), name, {.x = cuda::blocks(n, threads * quad), .threads = threads}, adamw_kernel<C>,
           value.as<float>(), m.as<float>(), v.as<float>(), grad.as<float>(), scale.as<float>(), copies, n,
           cuda::wide(value.as<float>(), m.as<float>(), v.as<float>(), grad.as<float>(), copies), step);
  });
}

}  // namespace

void CudaBackend::adamw(Acc value, Acc m, Acc v, In grad, In scale, AdamwHyper hyper, Out copy) {
  update("adamw", *this, value, m, v, grad, scale, adamw_step("adamw", hyper, true), copy);
}

void CudaBackend::adamw_hf(Acc value, Acc m, Acc v, In grad, In scale, AdamwHyper hyper, Out copy) {
  update("adamw_hf", *this, value, m, v, grad, scale, adamw_step("adamw_hf", hyper, false), copy);
}

}  // namespace whisper
