// AdamW with moments in 8 bits, in blocks of 256 elements (Dettmers et al., arXiv:2110.02861), a warp for each; as
// cpu/adamw_8bit.cpp has it, where what differs from bitsandbytes is said, and with the same codes.
#include "core/expect.h"
#include "cuda/adamw.cuh"
#include "cuda/code.cuh"
#include "cuda/cuda_backend.h"
#include "cuda/rows.cuh"
#include "cuda/value_copy.h"

namespace whisper {
namespace {

using namespace gpu;
using cuda::lane_quads;
using cuda::quad;

constexpr int threads = 256, warps = threads / 32, blocks_per_warp = 4;

struct Moments {
  uint8_t *m, *v;
  float *m_absmax, *v_absmax;
};

template <class C>
__global__ void __launch_bounds__(threads, 3)
    adamw_8bit_kernel(float* value, Moments moments, const float* grad, const float* scale, C* copy, int64_t n,
                      bool wide, AdamwStep step, bool guard) {
  constexpr uint8_t m_zero = CodeMap<true>::zero, v_zero = CodeMap<false>::zero;
  SHARED_ARRAY(cuda::CodeTable, m_table, [1]);
  SHARED_ARRAY(cuda::CodeTable, v_table, [1]);
  const float s = *scale;
  if (s == 0) return;
  cuda::load_table<true>(*m_table);
  cuda::load_table<false>(*v_table);
  __syncthreads();
  for (int i = 0; i < blocks_per_warp; ++i) {
    const int64_t block = (int64_t{blockIdx.x} * blocks_per_warp + i) * warps + threadIdx.x / 32;
    if (block * code_block >= n) return;
    const float m_absmax = moments.m_absmax[block], v_absmax = moments.v_absmax[block];
    uint8_t m_codes[lane_quads][quad], v_codes[lane_quads][quad];
    float p[lane_quads][quad], g[lane_quads][quad], m[lane_quads][quad], v[lane_quads][quad];
#pragma unroll
    for (int q = 0; q < lane_quads; ++q) {
      const int64_t at = cuda::quad_begin(block, q);
      cuda::load_quad(p[q], value, at, n, wide);
      cuda::load_quad(g[q], grad, at, n, wide);
      cuda::load_quad(m_codes[q], moments.m, at, n, wide, m_zero);
      cuda::load_quad(v_codes[q], moments.v, at, n, wide, v_zero);
    }
#pragma unroll
    for (int q = 0; q < lane_quads; ++q) {
#pragma unroll
      for (int j = 0; j < quad; ++j) {
        float fresh = p[q][j];
        m[q][j] = m_table->map[m_codes[q][j]] * m_absmax;
        v[q][j] = v_table->map[v_codes[q][j]] * v_absmax;
        cuda::adamw_update(fresh, m[q][j], v[q][j], s * g[q][j], step);
        const bool finite = v[q][j] < INFINITY;
        if (finite) p[q][j] = fresh;
        if (!finite) m[q][j] = v[q][j] = 0;
      }
      const int64_t at = cuda::quad_begin(block, q);
      cuda::store_quad(value, p[q], at, n, wide);
      if (copy) cuda::store_quad(copy, p[q], at, n, wide);
    }
    const float m_largest = cuda::encode_block<true>(m_codes, m, *m_table);
    const float v_largest = cuda::encode_block<false>(v_codes, v, *v_table);
#pragma unroll
    for (int q = 0; q < lane_quads; ++q) {
      const int64_t at = cuda::quad_begin(block, q);
#pragma unroll
      for (int j = 0; j < quad; ++j)
        if (guard && v_codes[q][j] == v_zero) m_codes[q][j] = m_zero;
      cuda::store_quad(moments.m, m_codes[q], at, n, wide);
      cuda::store_quad(moments.v, v_codes[q], at, n, wide);
    }
    __syncwarp();  // all lanes have read the absmax
    if (threadIdx.x % 32 == 0) moments.m_absmax[block] = m_largest, moments.v_absmax[block] = v_largest;
  }
}

}  // namespace

void CudaBackend::adamw_8bit(Acc value, Acc m, Acc v, Acc m_absmax, Acc v_absmax, In grad, In scale, AdamwHyper hyper,
                             bool guard, Out copy) {
  const Expect op("adamw_8bit");
  const int64_t n = value.shape.size(), blocks = cuda::blocks(n, code_block);
  op.flat("value", value, n);
  op.flat("m", m, n, DType::U8);
  op.flat("v", v, n, DType::U8);
  op.flat("m_absmax", m_absmax, blocks);
  op.flat("v_absmax", v_absmax, blocks);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  cuda::with_copy(op, copy, value, [&](auto* copies) {
    using C = std::remove_pointer_t<decltype(copies)>;
    const AdamwStep step = adamw_step("adamw_8bit", hyper, true);
    if (n == 0) return;
    const Moments moments{m.as<uint8_t>(), v.as<uint8_t>(), m_absmax.as<float>(), v_absmax.as<float>()};
    launch(device(), "adamw_8bit", {.x = cuda::blocks(blocks, warps * blocks_per_warp), .threads = threads},
           adamw_8bit_kernel<C>, value.as<float>(), moments, grad.as<float>(), scale.as<float>(), copies, n,
           cuda::wide(value.as<float>(), moments.m, moments.v, grad.as<float>(), copies), step, guard);
  });
}

}  // namespace whisper
