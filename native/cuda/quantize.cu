// The 8-bit code of moments by itself: numbers of blocks from codes, and codes of numbers.
#include "core/expect.h"
#include "cuda/code.cuh"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"

namespace whisper {
namespace {

using namespace gpu;
using cuda::lane_quads;
using cuda::quad;

constexpr int threads = 256, warps = threads / 32;

__global__ void __launch_bounds__(threads) dequantize_kernel(float* x, const uint8_t* codes, const float* absmax,
                                                             const float* map, int64_t n, int64_t block, bool wide) {
  SHARED_ARRAY(float, numbers, [256]);
  numbers[threadIdx.x] = map[threadIdx.x];
  __syncthreads();
  const int64_t i = (int64_t{blockIdx.x} * threads + threadIdx.x) * quad;
  if (i >= n) return;
  uint8_t code[quad];
  float number[quad];
  cuda::load_quad(code, codes, i, n, wide, 0);
#pragma unroll
  for (int j = 0; j < quad; ++j) number[j] = i + j < n ? numbers[code[j]] * absmax[(i + j) / block] : 0;
  cuda::store_quad(x, number, i, n, wide);
}

// A number that is not finite makes the absmax NaN, and all of the block decodes to NaN: it shows.
template <bool is_signed>
__global__ void __launch_bounds__(threads)
    quantize_kernel(uint8_t* codes, float* absmax, const float* x, int64_t n, bool wide) {
  SHARED_ARRAY(cuda::CodeTable, table, [1]);
  cuda::load_table<is_signed>(*table);
  __syncthreads();
  const int64_t block = int64_t{blockIdx.x} * warps + threadIdx.x / 32;
  if (block * code_block >= n) return;
  float numbers[lane_quads][quad];
  bool finite = true;
#pragma unroll
  for (int q = 0; q < lane_quads; ++q) {
    cuda::load_quad(numbers[q], x, cuda::quad_begin(block, q), n, wide);
#pragma unroll
    for (int j = 0; j < quad; ++j) finite = finite && fabsf(numbers[q][j]) < INFINITY;
  }
  finite = !__any_sync(0xffffffff, !finite);
#pragma unroll
  for (int q = 0; q < lane_quads; ++q)
#pragma unroll
    for (int j = 0; j < quad; ++j) numbers[q][j] = finite ? numbers[q][j] : 0;
  uint8_t found[lane_quads][quad];
  const float largest = cuda::encode_block<is_signed>(found, numbers, *table);
#pragma unroll
  for (int q = 0; q < lane_quads; ++q) cuda::store_quad(codes, found[q], cuda::quad_begin(block, q), n, wide);
  if (threadIdx.x % 32 == 0) absmax[block] = finite ? largest : NAN;
}

}  // namespace

void CudaBackend::dequantize(Out x, In codes, In absmax, In map, int block) {
  const Expect op("dequantize");
  const int64_t n = x.shape.size();
  if (block < 1) fail(Code::InvalidArgument, "dequantize: block is ", block, ", expected at least 1");
  op.flat("x", x, n);
  op.flat("codes", codes, n, DType::U8);
  op.flat("absmax", absmax, cuda::blocks(n, block));
  op.flat("map", map, 256);
  if (n == 0) return;
  launch(device(), "dequantize", {.x = cuda::blocks(n, threads * quad), .threads = threads}, dequantize_kernel,
         x.as<float>(), codes.as<uint8_t>(), absmax.as<float>(), map.as<float>(), n, block,
         cuda::wide(x.as<float>(), codes.as<uint8_t>()));
}

void CudaBackend::quantize(Out codes, Out absmax, In x, bool is_signed) {
  const Expect op("quantize");
  const int64_t n = x.shape.size(), blocks = cuda::blocks(n, code_block);
  op.flat("codes", codes, n, DType::U8);
  op.flat("absmax", absmax, blocks);
  op.flat("x", x, n);
  if (n == 0) return;
  launch(device(), "quantize", {.x = cuda::blocks(blocks, warps), .threads = threads},
         is_signed ? quantize_kernel<true> : quantize_kernel<false>, codes.as<uint8_t>(), absmax.as<float>(),
         x.as<float>(), n, cuda::wide(codes.as<uint8_t>(), x.as<float>()));
}

}  // namespace whisper
