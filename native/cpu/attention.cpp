// Attention forward, O = softmax(scale·Q·Kᵀ)·V for each head, without ever holding the probabilities: tiles of scores
// are made, used and forgotten (Dao et al., FlashAttention, arXiv:2205.14135; FlashAttention-2, arXiv:2307.08691).
#include "cpu/attention_few.h"
#include "cpu/attention_tiles.h"
#include "cpu/cpu_backend.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using namespace cpu;

// A thread's workspace of the forward pass: panels of all keys and values of a head, and of a block of its queries.
struct ForwardSpace {
  Panels k, v, q;
  float *scores, *factors, *out, *max, *sum, *rescale;
  int64_t floats;

  ForwardSpace(Parts&& parts, const GemmKernels& kernels, const AttentionSize& size)
      : k(parts.panels(size.source, kernels.tile_rows, size.width)),
        v(parts.panels(size.width, kernels.tile_rows, size.source)),
        q(parts.panels(kQueries, kernels.tile_columns, size.width)),
        scores(parts.floats(kKeys * kQueries)),
        factors(parts.floats(size.dropout ? kKeys * kQueries : 0)),
        out(parts.floats(size.width * kQueries)),
        max(parts.floats(kQueries)),
        sum(parts.floats(kQueries)),
        rescale(parts.floats(kQueries)),
        floats(parts.used) {}
};

// Queries [t, t + n) of a head, n <= kQueries. `lse` may be null.
void forward_block(const Kernels& kernels, const AttentionSize& size, const ForwardSpace& w, int64_t head,
                   const Rows& q, int64_t t, int64_t n, const RowsAt<Floats>& o, float* lse) {
  const int64_t lanes = kernels.gemm.tile_columns, columns = round_up(n, lanes), step = keys_of_tile(kernels.gemm);
  const int64_t limit = size.visible(t + n - 1);
  w.q.fill(kernels.gemm.pack_b_across, q, t, n, 0, size.width);
  std::fill_n(w.max, columns, -INFINITY);
  std::fill_n(w.sum, columns, 0.0f);
  for (int64_t s = 0; s < limit; s += step) {
    const int64_t keys = std::min(step, limit - s);
    multiply(kernels.gemm, w.k, s, keys, 0, size.width, w.q.data, lanes, w.q.spacing(), {w.scores, kQueries}, columns,
             false);
    const ScoreTile tile = tile_of(kernels.attention, size, head, t, columns, s, keys, w.factors);
    kernels.attention.softmax_tile(w.scores, tile, w.max, w.sum, w.rescale);
    if (s > 0) kernels.attention.scale_columns(w.out, size.width, columns, kQueries, w.rescale);
    multiply(kernels.gemm, w.v, 0, size.width, s, keys, w.scores, kQueries, lanes, {w.out, kQueries}, columns, s > 0);
  }
  for (int64_t j = 0; lse && j < n; ++j) lse[t + j] = size.scale * w.max[j] + std::log(w.sum[j]);
  for (int64_t j = 0; j < columns; ++j) w.sum[j] = 1.0f / w.sum[j];
  kernels.attention.store_transposed(o.row(t), o.row_stride, w.out, size.width, n, kQueries, w.sum, false);
}

}  // namespace

void CpuBackend::attention(Out o, Out lse, In q, In k, In v, int heads, bool causal, Dropout dropout) {
  const Expect op("attention");
  const AttentionSize size(op, "attention", q, k, v, heads, causal, dropout);
  op.strided("o", o, size.batch * size.time, heads * size.width, size.type);
  if (lse) op.flat("lse", lse, size.batch * heads * size.time);
  if (size.batch == 0 || size.time == 0) return;
  if (size.time <= kFewQueries && !dropout) return attend_few(kernels_, size, o, lse.as<float>(), q, k, v);
  // Few heads are cut into parts of their queries, whole tiles where possible.
  const int64_t wanted = std::min(divide_up(kTasks, size.batch * heads), divide_up(size.time, kQueries));
  const int64_t part = round_up(divide_up(size.time, wanted), kQueries), parts = divide_up(size.time, part);
  const int64_t share = ForwardSpace({nullptr}, kernels_.gemm, size).floats;
  thread_local Scratch scratch;
  float* const memory = scratch.take<float>(share * threads());
  parallel_for(size.batch * size.heads * parts, 1, [&](int64_t begin, int64_t end) {
    const ForwardSpace w({memory + thread_index() * share}, kernels_.gemm, size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / parts / heads, h = i / parts % heads, t0 = i % parts * part,
                    t1 = std::min(size.time, t0 + part);
      const int64_t limit = size.visible(t1 - 1);
      w.k.fill(kernels_.gemm.pack_a_across, head_of(k, b, h, size.width), 0, limit, 0, size.width);
      w.v.fill(kernels_.gemm.pack_a_along, head_of(v, b, h, size.width), 0, size.width, 0, limit);
      for (int64_t t = t0; t < t1; t += kQueries)
        forward_block(kernels_, size, w, i / parts, head_of(q, b, h, size.width), t, std::min(kQueries, t1 - t),
                      head_of(o, b, h, size.width), lse ? lse.as<float>() + i / parts * size.time : nullptr);
    }
  });
}

}  // namespace whisper
