// Sums of tensors: z = x + y, and z[b, t] = x[b, t] + table[t].
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256;

template <int n, class Y>
GPU_FUNCTION void add_run(float* z, const float* x, const Y* y) {
  float a[n], b[n];
  cuda::load_run(a, x);
  cuda::load_run(b, y);
#pragma unroll
  for (int j = 0; j < n; ++j) a[j] += b[j];
  cuda::store_run(z, a);
}

template <int n, class Y>
__global__ void __launch_bounds__(threads) add_kernel(float* z, const float* x, const Y* y, int64_t size) {
  cuda::take_run<n>((int64_t{blockIdx.x} * threads + threadIdx.x) * n, size,
                    [&](int64_t i, auto run) { add_run<run>(z + i, x + i, y + i); });
}

// x is rows of as many elements as the table has.
template <int n>
__global__ void __launch_bounds__(threads)
    add_positions_kernel(float* z, const float* x, const float* table, int64_t rows, int64_t width) {
  cuda::take_run_of_rows<n>(rows, width, [&](int64_t row, int64_t i, auto run) {
    add_run<run>(z + row * width + i, x + row * width + i, table + i);
  });
}

}  // namespace

void CudaBackend::add(Out z, In x, In y) {
  const Expect op("add");
  const int64_t size = x.shape.size();
  op.flat("x", x, size);
  op.flat("y", y, size, op.compute("y", y));
  op.flat("z", z, size);
  if (size == 0) return;
  cuda::typed(y.dtype, [&](auto element) {
    using Y = decltype(element);
    const bool aligned =
        cuda::aligned(z.as<float>(), 4) && cuda::aligned(x.as<float>(), 4) && cuda::aligned(y.as<Y>(), 4);
    cuda::choose_run<4>(aligned, [&](auto run) {
      launch(device(), "add", {.x = cuda::blocks(size, threads * run)}, add_kernel<run, Y>, z.as<float>(),
             x.as<float>(), y.as<Y>(), size);
    });
  });
}

void CudaBackend::add_positions(Out z, In x, In table) {
  const Expect op("add_positions");
  op.rank("x", x, 3);
  const int64_t size = x.shape.size(), rows = x.shape[0], width = x.shape[1] * x.shape[2];
  op.flat("x", x, size);
  op.flat("z", z, size);
  op.table("table", table, x.shape[1], x.shape[2]);
  if (size == 0) return;
  const bool aligned = width % 4 == 0 && cuda::aligned(z.as<float>(), 4) && cuda::aligned(x.as<float>(), 4) &&
                       cuda::aligned(table.as<float>(), 4);
  cuda::choose_run<4>(aligned, [&](auto run) {
    launch(device(), "add_positions", {.x = cuda::blocks(cuda::runs_of_rows(rows, width, run), threads)},
           add_positions_kernel<run>, z.as<float>(), x.as<float>(), table.as<float>(), rows, width);
  });
}

}  // namespace whisper
