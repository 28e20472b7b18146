// Multiples of a tensor: y = factor·x.
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256;

template <int n, class Y, class X>
__global__ void __launch_bounds__(threads) multiply_kernel(Y* y, const X* x, float factor, int64_t size) {
  cuda::take_run<n>((int64_t{blockIdx.x} * threads + threadIdx.x) * n, size, [&](int64_t i, auto run) {
    float v[run];
    cuda::load_run(v, x + i);
#pragma unroll
    for (int j = 0; j < run; ++j) v[j] *= factor;
    cuda::store_run(y + i, v);
  });
}

}  // namespace

void CudaBackend::multiply(Out y, In x, float factor) {
  const Expect op("multiply");
  const int64_t size = x.shape.size();
  op.flat("x", x, size, op.compute("x", x));
  op.flat("y", y, size, op.compute("y", y));
  if (size == 0) return;
  cuda::typed(y.dtype, [&](auto to) {
    cuda::typed(x.dtype, [&](auto from) {
      using Y = decltype(to);
      using X = decltype(from);
      constexpr int n = cuda::run_of<X, Y>;
      cuda::choose_run<n>(cuda::aligned(x.as<X>(), n) && cuda::aligned(y.as<Y>(), n), [&](auto run) {
        launch(device(), "multiply", {.x = cuda::blocks(size, threads * run)}, multiply_kernel<run, Y, X>, y.as<Y>(),
               x.as<X>(), factor, size);
      });
    });
  });
}

}  // namespace whisper
