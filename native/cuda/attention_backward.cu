// Attention backward: dQ, dK and dV of dO, with the probabilities made again from the log-sum-exp of the forward pass.
#include "cuda/attention.h"
#include "cuda/flash_backward.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace cuda {
namespace {

constexpr int threads = 256;
constexpr int lanes = 8;  // to a query of a head

// delta = Σ dO∘O of each query and head, and its log-sum-exp times log₂e. The heads of a query lie side by side; they
// are `wide` if they can be read 16 bytes at a time.
template <class T>
__global__ void __launch_bounds__(threads)
    query_statistics_kernel(float* lse2, float* delta, HeadsOf<const T> d_o_heads, HeadsOf<const T> o_heads,
                            const float* lse, AttentionSize size, bool wide) {
  const int64_t i = int64_t{blockIdx.x} * (threads / lanes) + threadIdx.x / lanes;
  const bool exists = i < size.batch * size.time * size.heads;
  const int64_t head = i % size.heads, t = i / size.heads % size.time, batch = i / size.heads / size.time;
  const int lane = threadIdx.x % lanes, width = static_cast<int>(size.width);
  constexpr int run = run_of<T>;
  float sum = 0;
  if (exists) {
    const T *const d_o = d_o_heads.head(batch, head, width).row(t), *const o = o_heads.head(batch, head, width).row(t);
    if (wide) {
      for (int c = lane * run; c < width; c += lanes * run) {
        float x[run], y[run];
        load_run(x, d_o + c), load_run(y, o + c);
#pragma unroll
        for (int e = 0; e < run; ++e) sum = fmaf(x[e], y[e], sum);
      }
    } else {
      for (int c = lane; c < width; c += lanes) sum = fmaf(to_float(d_o[c]), to_float(o[c]), sum);
    }
  }
#pragma unroll
  for (int bits = lanes / 2; bits; bits /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bits);
  if (!exists || lane != 0) return;
  const int64_t place = (batch * size.heads + head) * size.time + t;
  delta[place] = sum;
  lse2[place] = lse[place] * log2_e;
}

template <class T, bool dropped>
void launch_flash(CudaBackend& backend, const AttentionSize& size, const AttentionBackward& x) {
  const HeadsOf<const T> d_o(x.d_o), q(x.q), k(x.k), v(x.v);
  const QueryStatistics statistics{x.lse2, x.delta};
  const DropoutFactors dropout(size.dropout);
  using Keys = FlashBackwardKeys;
  launch(backend.device(), "attention_backward",
         {.x = blocks(size.source, Keys::keys),
          .y = size.heads,
          .z = size.batch,
          .threads = Keys::threads,
          .shared = Keys::shared},
         flash_backward_keys_kernel<T, dropped>, HeadsOf<T>(x.dk), HeadsOf<T>(x.dv), d_o, q, k, v, statistics, size,
         dropout);
  if (size.time == 0) return;
  using Queries = FlashBackwardQueries;
  launch(backend.device(), "attention_backward",
         {.x = blocks(size.time, Queries::queries),
          .y = size.heads,
          .z = size.batch,
          .threads = Queries::threads,
          .shared = Queries::shared},
         flash_backward_queries_kernel<T, dropped>, HeadsOf<T>(x.dq), d_o, q, k, v, statistics, size, dropout);
}

template <class T>
void attend_flash_backward(CudaBackend& backend, const AttentionSize& size, const AttentionBackward& x) {
  if (size.dropout)
    launch_flash<T, true>(backend, size, x);
  else
    launch_flash<T, false>(backend, size, x);
}

// By what there is to be done, as attend() in attention.cu.
void attend_backward(CudaBackend& backend, const AttentionSize& size, const AttentionBackward& x) {
  if (size.width == head_width && size.type == DType::F16) return attend_flash_backward<f16>(backend, size, x);
  if (size.width == head_width && size.type == DType::BF16) return attend_flash_backward<bf16>(backend, size, x);
  attend_plain_backward(backend, size, x);
}

}  // namespace
}  // namespace cuda

void CudaBackend::attention_backward(Out dq, Out dk, Out dv, In d_o, In q, In k, In v, In o, In lse, int heads,
                                     bool causal, Dropout dropout) {
  const Expect op("attention_backward");
  const AttentionSize size(op, "attention_backward", q, k, v, heads, causal, dropout);
  const int64_t queries = size.batch * size.time, keys = size.batch * size.source, all = heads * size.width;
  op.strided("dq", dq, queries, all, size.type);
  op.strided("d_o", d_o, queries, all, size.type);
  op.strided("o", o, queries, all, size.type);
  op.strided("dk", dk, keys, all, size.type);
  op.strided("dv", dv, keys, all, size.type);
  op.flat("lse", lse, queries * heads);
  if (size.batch == 0) return;
  const auto aligned = [](auto&... x) { return (cuda::aligned_rows(x) && ...); };
  if (size.width == cuda::head_width && !aligned(dq, dk, dv, d_o, q, k, v, o)) {
    const auto dense = [&](const View& x) { return cuda::dense_copy(*this, "attention_backward", x); };
    const Tensor made[3] = {empty(dq.shape, size.type), empty(dk.shape, size.type), empty(dv.shape, size.type)};
    attention_backward(made[0], made[1], made[2], dense(d_o), dense(q), dense(k), dense(v), dense(o), lse, heads,
                       causal, dropout);
    const View places[3] = {dq, dk, dv};
    for (int i = 0; i < 3; ++i) cuda::copy_rows(*this, "attention_backward", places[i], made[i]);
    return;
  }
  const Tensor statistics = empty({2, queries * heads});
  float *const lse2 = static_cast<float*>(statistics.address), *const delta = lse2 + queries * heads;
  if (queries > 0)
    cuda::typed(size.type, [&](auto element) {
      using T = decltype(element);
      gpu::launch(device(), "attention_backward",
                  {.x = cuda::blocks(queries * heads, cuda::threads / cuda::lanes), .threads = cuda::threads},
                  cuda::query_statistics_kernel<T>, lse2, delta, cuda::HeadsOf<const T>(d_o), cuda::HeadsOf<const T>(o),
                  lse.as<float>(), size, size.width == cuda::head_width);
    });
  cuda::attend_backward(*this, size, {dq, dk, dv, d_o, q, k, v, lse2, delta});
}

}  // namespace whisper
