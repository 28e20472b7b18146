// The gradient of overlapping windows: every element of dx collects what the windows that saw it say.
//
//     dx[b, s, c] = Σ over taps j with t = (s - j) / stride a window: dwindows[b, t, j·C + c]
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256, taps = 3;

struct Sizes {
  int64_t rows, width;  // of dx, over the whole batch
  int time, windows, stride;
};

template <int n, class T>
__global__ void __launch_bounds__(threads) fold_kernel(T* dx, const T* dwindows, Sizes sizes) {
  const auto [rows, width, time, windows, stride] = sizes;
  cuda::take_run_of_rows<n>(rows, width, [&](int64_t row, int64_t column, auto run) {
    const int64_t b = row / time;
    const int s = static_cast<int>(row % time);
    float sum[run] = {};
    for (int tap = s % stride; tap < taps && tap <= s; tap += stride) {
      const int t = (s - tap) / stride;
      if (t >= windows) continue;
      float seen[run];
      cuda::load_run(seen, dwindows + ((b * windows + t) * taps + tap) * width + column);
#pragma unroll
      for (int j = 0; j < run; ++j) sum[j] += seen[j];
    }
    cuda::store_run(dx + row * width + column, sum);
  });
}

}  // namespace

void CudaBackend::fold(Out dx, In dwindows, int stride) {
  const Expect op("fold");
  op.rank("dx", dx, 3);
  op.rank("dwindows", dwindows, 3);
  const int64_t batch = dx.shape[0], time = dx.shape[1], width = dx.shape[2], windows = dwindows.shape[1];
  const DType type = op.compute("dwindows", dwindows);
  op.dense("dx", dx, batch * time, width, type);
  op.dense("dwindows", dwindows, batch * windows, taps * width, type);
  if (stride < 1 || (windows > 0 && (windows - 1) * stride + taps > time))
    fail(Code::ShapeMismatch, "fold: dwindows ", dwindows.shape, " at stride ", stride, " do not fit into dx ",
         dx.shape);
  if (dx.shape.size() == 0) return;
  const Sizes sizes{batch * time, width, static_cast<int>(time), static_cast<int>(windows), stride};
  cuda::typed(type, [&](auto element) {
    using T = decltype(element);
    constexpr int n = cuda::run_of<T>;
    const bool aligned = width % n == 0 && cuda::aligned(dx.as<T>(), n) && cuda::aligned(dwindows.as<T>(), n);
    cuda::choose_run<n>(aligned, [&](auto run) {
      launch(device(), "fold", {.x = cuda::blocks(cuda::runs_of_rows(sizes.rows, width, run), threads)},
             fold_kernel<run, T>, dx.as<T>(), dwindows.as<T>(), sizes);
    });
  });
}

}  // namespace whisper
