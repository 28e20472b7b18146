// The same numbers in another dtype: f32 to a 16-bit float rounds to nearest, ties to even.
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
__global__ void __launch_bounds__(threads) cast_kernel(Y* y, const X* x, int64_t size) {
  cuda::take_run<n>((int64_t{blockIdx.x} * threads + threadIdx.x) * n, size, [&](int64_t i, auto run) {
    float v[run];
    cuda::load_run(v, x + i);
    cuda::store_run(y + i, v);
  });
}

}  // namespace

void CudaBackend::cast(Out y, In x) {
  const Expect op("cast");
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
        launch(device(), "cast", {.x = cuda::blocks(size, threads * run)}, cast_kernel<run, Y, X>, y.as<Y>(), x.as<X>(),
               size);
      });
    });
  });
}

}  // namespace whisper
