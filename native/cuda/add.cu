// Sums of tensors: z = x + y, and z[b, t] = x[b, t] + table[t].
#include <gpu/numbers.cuh>

#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256;

template <class T>
__global__ void __launch_bounds__(threads) add_kernel(float* z, const float* x, const T* y, int64_t n) {
  const int64_t i = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (i < n) z[i] = x[i] + to_float(y[i]);
}

__global__ void __launch_bounds__(threads)
    add_positions_kernel(float* z, const float* x, const float* table, int64_t n, int64_t period) {
  const int64_t i = int64_t{blockIdx.x} * threads + threadIdx.x;
  if (i < n) z[i] = x[i] + table[i % period];
}

}  // namespace

void CudaBackend::add(Out z, In x, In y) {
  const Expect op("add");
  const int64_t n = x.shape.size();
  op.flat("x", x, n);
  op.flat("y", y, n, op.compute("y", y));
  op.flat("z", z, n);
  if (n == 0) return;
  cuda::typed(y.dtype, [&](auto element) {
    using T = decltype(element);
    launch(device(), "add", {.x = cuda::blocks(n, threads)}, add_kernel<T>, z.as<float>(), x.as<float>(), y.as<T>(), n);
  });
}

void CudaBackend::add_positions(Out z, In x, In table) {
  const Expect op("add_positions");
  op.rank("x", x, 3);
  const int64_t n = x.shape.size(), period = x.shape[1] * x.shape[2];
  op.flat("x", x, n);
  op.flat("z", z, n);
  op.table("table", table, x.shape[1], x.shape[2]);
  if (n == 0) return;
  launch(device(), "add_positions", {.x = cuda::blocks(n, threads)}, add_positions_kernel, z.as<float>(), x.as<float>(),
         table.as<float>(), n, period);
}

}  // namespace whisper
