// The norm of a gradient, and the factor that brings it down to the most allowed (torch.nn.utils.clip_grad_norm_).
//
//     norm = √(Σ x²)          scale = min(1, max_norm / (norm/multiplied + 1e-6)) / multiplied
#include <limits>

#include "core/expect.h"
#include "core/workspace.h"
#include "cuda/cuda_backend.h"
#include "cuda/quad.cuh"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace whisper {
namespace {

using namespace gpu;
using cuda::quad;

constexpr int threads = 256, warps = threads / 32;

// A share of the sum for each block, in double: no square overflows there, and each is exact.
__global__ void __launch_bounds__(threads)
    square_sums_kernel(double* sums, const float* x, int64_t n, int64_t share, bool wide) {
  const int64_t begin = int64_t{blockIdx.x} * share, end = min(begin + share, n);
  double sum = 0;
  for (int64_t i = begin + threadIdx.x * quad; i < end; i += threads * quad) {
    float v[quad];
    cuda::load_quad(v, x, i, end, wide);
#pragma unroll
    for (int j = 0; j < quad; ++j) sum = fma(static_cast<double>(v[j]), static_cast<double>(v[j]), sum);
  }
  sum = cuda::block_sum<threads>(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(threads) norm_kernel(float* norm, const double* sums, int count) {
  double sum = 0;
  for (int i = threadIdx.x; i < count; i += threads) sum += sums[i];
  sum = cuda::block_sum<threads>(sum);
  if (threadIdx.x == 0) *norm = static_cast<float>(sqrt(sum));
}

GPU_FUNCTION bool is_finite(float x) { return fabsf(x) <= std::numeric_limits<float>::max(); }

__global__ void __launch_bounds__(threads)
    clip_scale_kernel(float* scale, const float* norm, const float* losses, int64_t n, float max_norm, float inverse) {
  SHARED_ARRAY(int, wrong_of_warp, [warps]);
  bool wrong = !is_finite(*norm);
  for (int64_t i = threadIdx.x; i < n; i += threads) wrong = wrong || !is_finite(losses[i]);
  wrong = __any_sync(0xffffffff, wrong);
  if (threadIdx.x % 32 == 0) wrong_of_warp[threadIdx.x / 32] = wrong;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (int w = 0; w < warps; ++w) wrong = wrong || wrong_of_warp[w];
  const float most = max_norm / (*norm * inverse + 1e-6f);
  const float factor = inverse * (max_norm == 0 || most > 1 ? 1 : most);
  const bool normal = is_finite(factor) && fabsf(factor) >= std::numeric_limits<float>::min();
  *scale = wrong || !normal ? 0 : factor;
}

}  // namespace

void CudaBackend::norm(Out norm, In x) {
  const Expect op("norm");
  const int64_t n = x.shape.size();
  op.flat("x", x, n);
  op.flat("norm", norm, 1);
  const NormShares shares(n);
  const std::shared_ptr<void> memory = allocate(shares.bytes());
  auto* const sums = static_cast<double*>(memory.get());
  if (n > 0)
    launch(device(), "norm", {.x = shares.count, .threads = threads}, square_sums_kernel, sums, x.as<float>(), n,
           shares.elements, cuda::wide(x.as<float>()));
  launch(device(), "norm", {.x = 1, .threads = threads}, norm_kernel, norm.as<float>(), sums, shares.count);
}

void CudaBackend::clip_scale(Out scale, In norm, In losses, float max_norm, float multiplied) {
  const Expect op("clip_scale");
  op.flat("norm", norm, 1);
  op.flat("scale", scale, 1);
  if (losses) op.flat("losses", losses, losses.shape.size());
  launch(device(), "clip_scale", {.x = 1, .threads = threads}, clip_scale_kernel, scale.as<float>(), norm.as<float>(),
         losses.as<float>(), losses ? losses.shape.size() : 0, max_norm,
         static_cast<float>(1 / static_cast<double>(multiplied)));
}

}  // namespace whisper
