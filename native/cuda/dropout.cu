// Dropout (Srivastava et al., JMLR 15, 2014) with counter-based random numbers: the mask is never stored.
#include "core/dropout.h"
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256;
constexpr int group = 4;  // elements that share a call of the generator: what a thread takes

// `wide`: a group may be loaded and stored at once.
template <bool wide, class Y, class X>
__global__ void __launch_bounds__(threads) dropout_kernel(Y* y, const X* x, int64_t size, Dropout dropout) {
  const int64_t at = int64_t{blockIdx.x} * threads + threadIdx.x, first = at * group;
  if (first >= size) return;
  const std::array<uint32_t, group> numbers = dropout.numbers(static_cast<uint64_t>(at));
  const uint32_t threshold = dropout.threshold();
  const float scale = dropout.scale();
  const auto drop = [&](int64_t i, auto run) {
    float v[run];
    cuda::load_run(v, x + i);
#pragma unroll
    for (int j = 0; j < run; ++j) v[j] = numbers[i - first + j] < threshold ? 0.0f : v[j] * scale;
    cuda::store_run(y + i, v);
  };
  if constexpr (wide)
    cuda::take_run<group>(first, size, drop);
  else
#pragma unroll
    for (int j = 0; j < group; ++j)
      if (first + j < size) drop(first + j, cuda::Run<1>{});
}

}  // namespace

void CudaBackend::dropout(Out y, In x, Dropout dropout) {
  const Expect op("dropout");
  const int64_t size = x.shape.size();
  op.flat("x", x, size, op.compute("x", x));
  op.flat("y", y, size, op.compute("y", y));
  op.rate(dropout);
  if (size == 0) return;
  cuda::typed(y.dtype, [&](auto to) {
    cuda::typed(x.dtype, [&](auto from) {
      using Y = decltype(to);
      using X = decltype(from);
      const bool wide = cuda::aligned(y.as<Y>(), group) && cuda::aligned(x.as<X>(), group);
      launch(device(), "dropout", {.x = cuda::blocks(size, threads * group)},
             wide ? dropout_kernel<true, Y, X> : dropout_kernel<false, Y, X>, y.as<Y>(), x.as<X>(), size, dropout);
    });
  });
}

}  // namespace whisper
