// Stochastic gradient descent without momentum (torch/optim/sgd.py).
#include "core/expect.h"
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
__global__ void __launch_bounds__(threads) sgd_kernel(float* value, const float* grad, const float* scale, C* copy,
                                                      int64_t n, bool wide, float lr, float decay) {
  const float s = *scale;
  const int64_t i = (int64_t{blockIdx.x} * threads + threadIdx.x) * quad;
  if (s == 0 || i >= n) return;
  float p[quad], g[quad];
  cuda::load_quad(p, value, i, n, wide);
  cuda::load_quad(g, grad, i, n, wide);
#pragma unroll
  for (int j = 0; j < quad; ++j) p[j] = p[j] - lr * (s * g[j] + decay * p[j]);
  cuda::store_quad(value, p, i, n, wide);
  if (copy) cuda::store_quad(copy, p, i, n, wide);
}

}  // namespace

void CudaBackend::sgd(Acc value, In grad, In scale, double lr, double decay, Out copy) {
  const Expect op("sgd");
  const int64_t n = value.shape.size();
  op.flat("value", value, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  cuda::with_copy(op, copy, value, [&](auto* copies) {
    using C = std::remove_pointer_t<decltype(copies)>;
    if (n == 0) return;
    launch(device(), "sgd", {.x = cuda::blocks(n, threads * quad), .threads = threads}, sgd_kernel<C>,
           value.as<float>(), grad.as<float>(), scale.as<float>(), copies, n,
           cuda::wide(value.as<float>(), grad.as<float>(), copies), lr, decay);
  });
}

}  // namespace whisper
