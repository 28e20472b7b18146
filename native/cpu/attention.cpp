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

// A thread's workspace of the forward pass: panels of all keys and values of a head, and of a tile's queries.
struct ForwardSpace {
  Panels k, v, q;
  Matrix scores, out;
  float *factors, *reference, *sum, *rescale;
  void* p;  // as the B panel that follows: in place of the scores if that is of f32
  int64_t bytes;

  ForwardSpace(Parts&& parts, const GemmKernels& gemm, const AttentionSize& size)
      : k(parts.panels_a(gemm, size.source, size.width)),
        v(parts.panels_a(gemm, size.width, size.source)),
        q(parts.panels_b(gemm, kTileQueries, size.width)),
        scores(parts.matrix(kKeys, kTileQueries)),
        out(parts.matrix(size.width, kTileQueries)),
        factors(parts.floats(size.dropout ? kKeys * kTileQueries : 0)),
        reference(parts.floats(kTileQueries)),
        sum(parts.floats(kTileQueries)),
        rescale(parts.floats(kTileQueries)),
        p(gemm.bytes == sizeof(float) ? static_cast<void*>(scores.data)
                                      : parts.bytes(kKeys * kTileQueries * gemm.bytes)),
        bytes(parts.used) {}
};

// Queries [t, t + n) of a head, n <= kTileQueries. `lse` may be null.
void forward_tile(const Kernels& kernels, const AttentionSize& size, const ForwardSpace& w, int64_t head, const Rows& q,
                  int64_t t, int64_t n, const RowsAt<Floats>& o, float* lse) {
  const GemmKernels& gemm = kernels.products(size.type);
  const int64_t columns = round_up(n, gemm.tile_columns), step = keys_of_tile(gemm);
  const int64_t limit = size.visible(t + n - 1);
  pack_across(w.q, gemm.pack_b_across, q, t, n, size.width);
  std::fill_n(w.reference, columns, -INFINITY);
  std::fill_n(w.sum, columns, 0.0f);
  const ScoreKernels& of_scores = kernels.scores(size.type);
  const bool at_once = of_scores.attend && !size.dropout && size.width % kTileQueries == 0;
  if (at_once)
    of_scores.attend({limit, size.width, size.visible(t), size.scale, w.q.at(0, 0), w.k.at(0, 0), w.v.at(0, 0),
                      w.k.spacing, w.v.spacing, w.out.data, w.reference, w.sum});
  for (int64_t s = 0; s < limit && !at_once; s += step) {
    const int64_t keys = std::min(step, limit - s);
    multiply(gemm, w.k, s, keys, 0, size.width, BPanels::of(w.q, 0, 0), w.scores.rows, columns, false);
    const ScoreTile tile = tile_of(kernels, size, head, t, columns, s, keys, w.factors);
    const bool moved = of_scores.softmax_tile(w.scores.data, tile, w.reference, w.sum, w.rescale, w.p);
    if (s > 0 && moved) kernels.attention.scale_columns(w.out.data, size.width, columns, kTileQueries, w.rescale);
    multiply(gemm, w.v, 0, size.width, s, keys, BPanels::of_tile(gemm, w.p), w.out.rows, columns, s > 0);
  }
  for (int64_t j = 0; lse && j < n; ++j) lse[t + j] = size.scale * w.reference[j] + std::log(w.sum[j]);
  for (int64_t j = 0; j < columns; ++j) w.sum[j] = 1.0f / w.sum[j];
  kernels.attention.store_transposed(o.row(t), o.row_stride, w.out.data, size.width, n, kTileQueries, w.sum, false);
}

}  // namespace

void CpuBackend::attention(Out o, Out lse, In q, In k, In v, int heads, bool causal, Dropout dropout) {
  const Expect op("attention");
  const AttentionSize size(op, "attention", q, k, v, heads, causal, dropout);
  op.strided("o", o, size.batch * size.time, heads * size.width, size.type);
  if (lse) op.flat("lse", lse, size.batch * heads * size.time);
  if (size.batch == 0 || size.time == 0) return;
  if (size.time <= kFewQueries && !dropout) return attend_few(kernels_, size, o, lse.as<float>(), q, k, v);
  // Few heads are cut into parts of their queries, which all need the panels of keys and values: no more than there are
  // threads to be kept busy.
  const int64_t tasks = threads() == 1 ? 1 : 4 * threads();
  const int64_t wanted = std::min(divide_up(tasks, size.batch * heads), divide_up(size.time, 3 * kTileQueries));
  const int64_t part = round_up(divide_up(size.time, wanted), kTileQueries), parts = divide_up(size.time, part);
  const GemmKernels& gemm = kernels_.products(size.type);
  const int64_t share = ForwardSpace({nullptr}, gemm, size).bytes;
  thread_local Scratch scratch;
  std::byte* const memory = scratch.take<std::byte>(share * threads());
  const int64_t at_once = tasks_at_once(size, part * size.source);
  parallel_for(size.batch * size.heads * parts, at_once, [&](int64_t begin, int64_t end) {
    const Multiplying products(gemm);
    const ForwardSpace w({memory + thread_index() * share}, gemm, size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / parts / heads, h = i / parts % heads, t0 = i % parts * part,
                    t1 = std::min(size.time, t0 + part);
      const int64_t limit = size.visible(t1 - 1);
      pack_across(w.k, gemm.pack_a_across, head_of(k, b, h, size.width), 0, limit, size.width);
      pack_along(w.v, gemm.pack_a_along, head_of(v, b, h, size.width), 0, limit, size.width);
      for (int64_t t = t0; t < t1; t += kTileQueries)
        forward_tile(kernels_, size, w, i / parts, head_of(q, b, h, size.width), t, std::min(kTileQueries, t1 - t),
                     head_of(o, b, h, size.width), lse ? lse.as<float>() + i / parts * size.time : nullptr);
    }
  });
}

}  // namespace whisper
