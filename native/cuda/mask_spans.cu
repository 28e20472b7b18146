// Rectangles of the features set to zero (SpecAugment, arXiv:1904.08779).
#include "core/expect.h"
#include "cuda/cuda_backend.h"
#include "cuda/fault.cuh"
#include "cuda/rows.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int threads = 256, warps = threads / 32;
constexpr int parts = 8;  // blocks that share a rectangle

// A warp takes a row of a rectangle, its lanes go along the bands. Where rectangles overlap a zero is written twice.
__global__ void __launch_bounds__(threads)
    mask_spans_kernel(cuda::RowsOf<float> x, const int32_t* spans, int batch, int time, int width, cuda::Fault* fault) {
  const int32_t* span = spans + int64_t{blockIdx.x} * 5;
  const int32_t b = span[0], t0 = span[1], t1 = span[2], m0 = span[3], m1 = span[4];
  if (b < 0 || b >= batch || t0 < 0 || t1 < t0 || t1 > time || m0 < 0 || m1 < m0 || m1 > width) {
    if (threadIdx.x == 0) cuda::report(fault, cuda::FaultKind::span, blockIdx.x, b, t0, t1, m0, m1, batch, time, width);
    return;
  }
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(blockIdx.y * warps + threadIdx.x / 32);
  for (int t = t0 + warp; t < t1; t += parts * warps) {
    float* row = x.row(int64_t{b} * time + t);
    for (int m = m0 + lane; m < m1; m += 32) row[m] = 0;
  }
}

}  // namespace

void CudaBackend::mask_spans(Acc x, In spans) {
  const Expect op("mask_spans");
  op.rank("x", x, 3);
  op.strided("x", x, x.shape.rows(), x.shape.width());
  const int64_t n = spans.shape.rows();
  op.dense("spans", spans, n, 5, DType::I32);
  if (n == 0) return;
  launch(device(), "mask_spans", {.x = n, .y = parts, .threads = threads}, mask_spans_kernel, cuda::RowsOf<float>(x),
         spans.as<int32_t>(), static_cast<int>(x.shape[0]), static_cast<int>(x.shape[1]), static_cast<int>(x.shape[2]),
         fault());
}

}  // namespace whisper
