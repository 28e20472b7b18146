// GELU: y = x·Φ(x), dx = dy·(Φ(x) + x·φ(x)).
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/gelu.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256;

// A view whose rows may be spaced, as spans of whole rows that lie one behind the other: all of a dense view, the batch
// entries of a convolution's output between its zero rows.
struct Spans {
  int64_t count, rows, length;  // rows and elements of a span

  explicit Spans(const View& v) {
    const bool touching = v.row_stride == v.shape.width();
    rows = v.dense() ? v.shape.rows() : touching ? v.period() : 1;
    count = v.shape.rows() / rows;
    length = rows * v.shape.width();
  }
  // Whether runs of n elements can begin where spans begin in the view, and in a dense one.
  bool aligned(const View& v, int n) const {
    return count == 1 || (length % n == 0 && v.row_stride % n == 0 && v.batch_stride % n == 0);
  }
};

// A block takes a tile of a span: f(element of the dense operand, element of the span, run), span number at hand.
template <int n, class F>
GPU_FUNCTION void each_run(const Spans& spans, F f) {
  const auto tiles = static_cast<unsigned>((spans.length + threads * n - 1) / (threads * n));
  const int64_t span = blockIdx.x / tiles, tile = blockIdx.x % tiles;
  cuda::take_run<n>((tile * threads + threadIdx.x) * n, spans.length, [&](int64_t i, auto run) { f(span, i, run); });
}

template <int n, class Y, class X>
__global__ void __launch_bounds__(threads) gelu_kernel(cuda::RowsOf<Y> y, const X* x, Spans spans) {
  each_run<n>(spans, [&](int64_t span, int64_t i, auto run) {
    float v[run];
    cuda::load_run(v, x + span * spans.length + i);
#pragma unroll
    for (float& value : v) value = cuda::gelu<X>(value);
    cuda::store_run(y.row(span * spans.rows) + i, v);
  });
}

template <int n, class G, class X>
__global__ void __launch_bounds__(threads)
    gelu_backward_kernel(X* dx, cuda::RowsOf<const G> dy, const X* x, Spans spans) {
  each_run<n>(spans, [&](int64_t span, int64_t i, auto run) {
    float v[run], g[run];
    cuda::load_run(v, x + span * spans.length + i);
    cuda::load_run(g, dy.row(span * spans.rows) + i);
#pragma unroll
    for (int j = 0; j < run; ++j) v[j] = g[j] * cuda::gelu_derivative<X>(v[j]);
    cuda::store_run(dx + span * spans.length + i, v);
  });
}

gpu::Grid grid(const Spans& spans, int n) { return {.x = spans.count * cuda::blocks(spans.length, threads * n)}; }

}  // namespace

void CudaBackend::gelu(Out y, In x) {
  const Expect op("gelu");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("x", x, rows, width, type);
  op.strided("y", y, rows, width, op.compute_or_f32("y", y, type));
  if (x.shape.size() == 0) return;
  const Spans spans(y);
  cuda::typed(type, [&](auto compute) {
    using X = decltype(compute);
    cuda::typed_or_f32<X>(y.dtype, [&](auto element) {
      using Y = decltype(element);
      constexpr int n = cuda::run_of<X, Y>;
      const bool aligned = cuda::aligned(x.as<X>(), n) && cuda::aligned(y.as<Y>(), n) && spans.aligned(y, n);
      cuda::choose_run<n>(aligned, [&](auto run) {
        launch(device(), "gelu", grid(spans, run), gelu_kernel<run, Y, X>, cuda::RowsOf<Y>(y), x.as<X>(), spans);
      });
    });
  });
}

void CudaBackend::gelu_backward(Out dx, In dy, In x) {
  const Expect op("gelu_backward");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("x", x, rows, width, type);
  op.dense("dx", dx, rows, width, type);
  op.strided("dy", dy, rows, width, op.compute_or_f32("dy", dy, type));
  if (x.shape.size() == 0) return;
  const Spans spans(dy);
  cuda::typed(type, [&](auto compute) {
    using X = decltype(compute);
    cuda::typed_or_f32<X>(dy.dtype, [&](auto element) {
      using G = decltype(element);
      constexpr int n = cuda::run_of<X, G>;
      const bool aligned = cuda::aligned(x.as<X>(), n) && cuda::aligned(dx.as<X>(), n) &&
                           cuda::aligned(dy.as<G>(), n) && spans.aligned(dy, n);
      cuda::choose_run<n>(aligned, [&](auto run) {
        launch(device(), "gelu_backward", grid(spans, run), gelu_backward_kernel<run, G, X>, dx.as<X>(),
               cuda::RowsOf<const G>(dy), x.as<X>(), spans);
      });
    });
  });
}

}  // namespace whisper
