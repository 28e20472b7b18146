// Attention backward (FlashAttention-2, arXiv:2307.08691, algorithm 2). The probabilities are computed again from the
// log-sum-exp of the forward pass, tile by tile, and so are the factors M of dropout, 0 or 1/(1 - rate); without
// dropout they are 1. With S = scale·Q·Kᵀ, and delta = Σ dO∘O per query:
//
//     P = exp(S - lse)    dV = (M∘P)ᵀ·dO    dS = scale·P∘(M∘(dO·Vᵀ) - delta)    dQ = dS·K    dK = dSᵀ·Q
//
// Gradients are summed up in f32 and, if they are of 16 bits, rounded once.
#include "cpu/attention_tiles.h"
#include "cpu/cpu_backend.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using namespace cpu;

constexpr int64_t kKeyChunk = 6 * kKeys;        // keys whose panels stay in L2 through a pass over all queries
constexpr int64_t kQueries = 3 * kTileQueries;  // of a block, whose tiles are summed up in dK and dV together

// P or dS of a block of queries and some keys as the A operand of dV or dK: tiles of kTileQueries queries, and panels
// of them only for tables that take no lines as they lie.
struct ScoreRows {
  std::byte* tiles;  // in place of the scores if what is multiplied is of f32, or rounded
  int64_t spacing;   // in bytes
  DType type;
  Panels panels;

  ScoreRows(Parts& parts, const GemmKernels& gemm, const Matrix& scores)
      : tiles(reinterpret_cast<std::byte*>(scores.data)),
        spacing(kKeys * kTileQueries * gemm.bytes),
        type(gemm.bytes == sizeof(float) ? DType::F32 : DType::BF16),
        panels(parts.panels_a(gemm, gemm.multiply_lines ? 0 : kKeys, kQueries)) {
    if (type != DType::F32) tiles = parts.bytes(kQueries / kTileQueries * spacing);
  }
  std::byte* tile(int64_t j) const { return tiles + j / kTileQueries * spacing; }  // of the queries from j on

  // Has to be called when a tile has been made, for the `n` queries that there are and `keys` keys.
  void pack(const GemmKernels& gemm, int64_t j, int64_t n, int64_t keys) const {
    if (!gemm.multiply_lines) panels.fill(gemm.pack_a_across, {{tile(j), type}, kTileQueries}, 0, keys, 0, n, j);
  }

  // C[count, columns] += the rows of keys [i, i + count), at most a panel of them, times B, over queries [j, n).
  void multiply(const GemmKernels& gemm, int64_t i, int64_t count, int64_t j, int64_t n, const Panels& b,
                float* const* c, int64_t columns) const {
    const BPanels factor = BPanels::of(b, 0, j);
    PanelProduct product{count, columns, gemm.steps(n - j), nullptr, factor.data, factor.step, factor.panel, c, true};
    product.a = gemm.multiply_lines ? tile(j) + i * kLineSteps * gemm.bytes : panels.at(i, j);
    product.a_spacing = spacing;
    (gemm.multiply_lines ? gemm.multiply_lines : gemm.multiply)(product);
  }
};
static_assert(kTileQueries == kLineSteps);

// A thread's workspace of the backward pass: panels of a chunk of keys and values, and of a block of queries.
struct BackwardSpace {
  int64_t keys;                       // of a chunk, at most
  Panels k, v, k_along;               // K and V as rows of Sᵀ and dPᵀ, K as the Kᵀ of dQᵀ
  Panels q, d_o, q_along, d_o_along;  // as columns of Sᵀ and dPᵀ, and of dK and dV
  Matrix scores, dp, dq, dk, dv;      // Sᵀ, dPᵀ and dQᵀ tile by tile; rows of dK and dV are those of the chunk
  ScoreRows p, ds;
  float *factors, *lse, *delta, *ones;
  std::byte* ds_panel;  // of a tile, if it is rounded
  int64_t bytes;

  BackwardSpace(Parts&& parts, const GemmKernels& gemm, const AttentionSize& size)
      : keys(std::min(kKeyChunk, size.source)),
        k(parts.panels_a(gemm, keys, size.width)),
        v(parts.panels_a(gemm, keys, size.width)),
        k_along(parts.panels_a(gemm, size.width, keys)),
        q(parts.panels_b(gemm, kQueries, size.width)),
        d_o(parts.panels_b(gemm, kQueries, size.width)),
        q_along(parts.panels_b(gemm, size.width, kQueries)),
        d_o_along(parts.panels_b(gemm, size.width, kQueries)),
        scores(parts.matrix(kQueries / kTileQueries * kKeys, kTileQueries)),
        dp(parts.matrix(kQueries / kTileQueries * kKeys, kTileQueries)),
        dq(parts.matrix(kQueries / kTileQueries * size.width, kTileQueries)),
        dk(parts.matrix(keys, size.width)),
        dv(parts.matrix(keys, size.width)),
        p(parts, gemm, scores),
        ds(parts, gemm, dp),
        factors(parts.floats(size.dropout ? kKeys * kTileQueries : 0)),
        lse(parts.floats(kQueries)),
        delta(parts.floats(kQueries)),
        ones(parts.floats(kQueries)),
        ds_panel(parts.bytes(p.type == DType::F32 ? 0 : gemm.steps(kKeys) * kTileQueries * gemm.bytes)),
        bytes(parts.used) {}
};

struct Head {
  int64_t index;  // heads are counted through the batch
  Rows q, k, v, o, d_o;
  const float* lse;
  RowsAt<Floats> dk, dv;
};

// Rows of sums, rounded to their places in a gradient if they are not there already.
void store_sums(const Kernels& kernels, const RowsAt<Floats>& gradient, int64_t first, const float* sums, int64_t count,
                int64_t width) {
  for (int64_t i = 0; i < count; ++i, sums += width)
    if (sums != gradient.row(first + i).address) kernels.elementwise.cast(gradient.row(first + i), sums, width);
}

// A chunk of keys, [s0, s1), beside a block of queries, [t, t + n).
struct Block {
  int64_t s0, s1, t, n;
  int64_t seen[kQueries / kTileQueries];  // by each tile of queries: keys from s0 on

  Block(const AttentionSize& size, int64_t s0, int64_t s1, int64_t t)
      : s0(s0), s1(s1), t(t), n(std::min(kQueries, size.time - t)) {
    for (int64_t j = 0; j < n; j += kTileQueries)
      seen[j / kTileQueries] = std::clamp<int64_t>(size.visible(t + std::min(n, j + kTileQueries) - 1), s0, s1) - s0;
  }
  int64_t seen_by(int64_t j) const { return seen[j / kTileQueries]; }
  int64_t queries(int64_t j) const { return std::min(kTileQueries, n - j); }  // of the tile from j on
  int64_t first_to_see(int64_t key) const {  // the first such tile; later ones see no less
    int64_t j = 0;
    while (j < n && seen_by(j) <= key) j += kTileQueries;
    return j;
  }
};

// P and dS of the tile of queries from j on and of `keys` keys from s0 + s on, as panels, and what dS gives to dQ.
void backward_tile(const Kernels& kernels, const AttentionSize& size, const BackwardSpace& w, int64_t head,
                   const Block& block, int64_t j, int64_t s, int64_t keys) {
  const GemmKernels& gemm = kernels.products(size.type);
  const int64_t n = block.queries(j), columns = round_up(n, gemm.tile_columns);
  const bool rounded = w.p.type != DType::F32;
  const int64_t first = rounded ? 0 : j / kTileQueries * kKeys;  // scores that are rounded need not stay
  float *const *scores = w.scores.rows + first, *const *dp = w.dp.rows + first;
  multiply(gemm, w.k, s, keys, 0, size.width, BPanels::of(w.q, j, 0), scores, columns, false);
  multiply(gemm, w.v, s, keys, 0, size.width, BPanels::of(w.d_o, j, 0), dp, columns, false);
  const ScoreTile tile = tile_of(kernels, size, head, block.t + j, columns, block.s0 + s, keys, w.factors);
  std::byte* const ds_panel = rounded ? w.ds_panel : w.ds.tile(j);
  kernels.scores(size.type).gradient_tile(scores[0], dp[0], tile, w.lse + j, w.delta + j, w.p.tile(j), w.ds.tile(j),
                                          ds_panel);
  w.p.pack(gemm, j, n, keys);
  w.ds.pack(gemm, j, n, keys);
  multiply(gemm, w.k_along, 0, size.width, s, keys, BPanels::of_tile(gemm, ds_panel),
           w.dq.rows + j / kTileQueries * size.width, columns, s > 0);
}

// What keys [s0, s1), at most kKeyChunk, give to dQ (added unless they are the first), and all of their dK and dV.
void backward_chunk(const Kernels& kernels, const AttentionSize& size, const BackwardSpace& w, const Head& head,
                    int64_t s0, int64_t s1, const RowsOf<float>& dq, bool add) {
  const GemmKernels& gemm = kernels.products(size.type);
  const int64_t width = size.width, step = keys_of_tile(gemm);
  pack_across(w.k, gemm.pack_a_across, head.k, s0, s1 - s0, width);
  pack_across(w.v, gemm.pack_a_across, head.v, s0, s1 - s0, width);
  pack_along(w.k_along, gemm.pack_a_along, head.k, s0, s1 - s0, width);
  std::fill_n(w.ones, kQueries, 1.0f);
  for (const Matrix& sums : {w.dk, w.dv}) std::fill_n(sums.data, (s1 - s0) * width, 0.0f);
  for (int64_t t = 0; t < size.time; t += kQueries) {
    const Block block(size, s0, s1, t);
    const int64_t n = block.n, limit = block.seen_by(n - 1);
    if (limit > 0) {
      pack_across(w.q, gemm.pack_b_across, head.q, t, n, width);
      pack_across(w.d_o, gemm.pack_b_across, head.d_o, t, n, width);
      pack_along(w.q_along, gemm.pack_b_along, head.q, t, n, width);
      pack_along(w.d_o_along, gemm.pack_b_along, head.d_o, t, n, width);
      for (int64_t j = 0; j < n; ++j) {
        w.lse[j] = head.lse[t + j];
        w.delta[j] = kernels.attention.dot(head.d_o.row(t + j), head.o.row(t + j), width);
      }
      const int64_t lanes =
          round_up(n, kTileQueries);  // without a query P and dS are 0: products may take them for one
      std::fill(w.lse + n, w.lse + lanes, 1e30f);
      std::fill(w.delta + n, w.delta + lanes, 0.0f);
    }
    for (int64_t s = 0; s < limit; s += step) {
      const int64_t keys = std::min(step, limit - s), first = block.first_to_see(s);
      for (int64_t j = first; j < n; j += kTileQueries)  // whole panels of keys: those beyond are masked
        backward_tile(kernels, size, w, head.index, block, j, s,
                      std::min(keys, round_up(block.seen_by(j) - s, gemm.tile_rows)));
      for (int64_t i = 0; i < keys; i += gemm.tile_rows) {
        const int64_t rows = std::min(gemm.tile_rows, keys - i), j = block.first_to_see(s + i);
        w.p.multiply(gemm, i, rows, j, n, w.d_o_along, w.dv.rows + s + i, width);
        w.ds.multiply(gemm, i, rows, j, n, w.q_along, w.dk.rows + s + i, width);
      }
    }
    for (int64_t j = 0; j < n; j += kTileQueries) {
      const int64_t count = block.queries(j);
      if (block.seen_by(j) > 0)
        kernels.attention.store_transposed(dq.row(t + j), dq.row_stride, w.dq.data + j * width, width, count,
                                           kTileQueries, w.ones, add);
      else  // these see none of the keys
        for (int64_t i = j; !add && i < j + count; ++i) std::fill_n(dq.row(t + i), width, 0.0f);
    }
  }
}

// Keys [begin, end) of a head: their share of dQ, and all of their dK and dV.
void backward_part(const Kernels& kernels, const AttentionSize& size, const BackwardSpace& w, const Head& head,
                   int64_t begin, int64_t end, const RowsOf<float>& dq) {
  for (int64_t s = begin; s < end; s += kKeyChunk) {
    const int64_t count = std::min(kKeyChunk, end - s);
    backward_chunk(kernels, size, w, head, s, s + count, dq, s > begin);
    store_sums(kernels, head.dk, s, w.dk.data, count, size.width);
    store_sums(kernels, head.dv, s, w.dv.data, count, size.width);
  }
}

}  // namespace

void CpuBackend::attention_backward(Out dq, Out dk, Out dv, In d_o, In q, In k, In v, In o, In lse, int heads,
                                    bool causal, Dropout dropout) {
  const Expect op("attention_backward");
  const AttentionSize size(op, "attention_backward", q, k, v, heads, causal, dropout);
  const int64_t queries = size.batch * size.time, keys = size.batch * size.source, all = heads * size.width;
  op.strided("dq", dq, queries, all, size.type);
  op.strided("d_o", d_o, queries, all, size.type);
  op.strided("o", o, queries, all, size.type);
  op.strided("dk", dk, keys, all, size.type);
  op.strided("dv", dv, keys, all, size.type);
  op.flat("lse", lse, size.batch * heads * size.time);
  if (size.batch == 0) return;
  // Few heads are cut into parts of their keys, whole tiles where possible.
  const int64_t wanted = std::min(divide_up(kTasks, size.batch * heads), divide_up(size.source, kKeys));
  const GemmKernels& gemm = kernels_.products(size.type);
  const int64_t part = round_up(divide_up(size.source, wanted), keys_of_tile(gemm));
  const int64_t parts = divide_up(size.source, part), head_size = size.time * size.width;
  // Every part makes its share of dQ in a workspace; of dQ in f32 the first makes it in place. Shares of several parts
  // are kept until they are added up; a part that is all of a head needs its share while it is at work.
  const int64_t in_place = size.type == DType::F32 ? 1 : 0;
  const int64_t shares = (parts > 1 ? size.batch * heads : threads()) * (parts - in_place);
  const int64_t share = BackwardSpace({nullptr}, gemm, size).bytes;
  thread_local Scratch scratch, shares_of_dq;
  std::byte* const memory = scratch.take<std::byte>(share * threads());
  float* const workspace = shares_of_dq.take<float>(shares * head_size);
  const auto dq_of = [&](int64_t head) { return head_of(dq, head / heads, head % heads, size.width); };
  const auto share_of = [&](int64_t head, int64_t p) -> RowsOf<float> {
    if (p < in_place) return {static_cast<float*>(dq_of(head).data.address), dq.row_stride};
    const int64_t at = (parts > 1 ? head : thread_index()) * (parts - in_place) + p - in_place;
    return {workspace + at * head_size, size.width};
  };
  const int64_t at_once = tasks_at_once(size, size.time * part);
  parallel_for(size.batch * size.heads * parts, at_once, [&](int64_t begin, int64_t end) {
    const Multiplying products(gemm);
    const BackwardSpace w({memory + thread_index() * share}, gemm, size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = i / parts, p = i % parts;
      const auto of = [&](const auto& x) { return head_of(x, index / heads, index % heads, size.width); };
      const Head head{index, of(q), of(k), of(v), of(o), of(d_o), lse.as<float>() + index * size.time, of(dk), of(dv)};
      const RowsOf<float> sums = share_of(index, p);
      backward_part(kernels_, size, w, head, p * part, std::min(size.source, (p + 1) * part), sums);
      if (parts == 1 && !in_place) store_sums(kernels_, dq_of(index), 0, sums.data, size.time, size.width);
    }
  });
  if (parts == 1) return;
  parallel_for(size.batch * size.heads * size.time, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / size.time, t = i % size.time;
      float* const row = share_of(head, 0).row(t);
      for (int64_t p = 1; p < parts; ++p) kernels_.elementwise.add(row, row, share_of(head, p).row(t), size.width);
      store_sums(kernels_, dq_of(head), t, row, 1, size.width);
    }
  });
}

}  // namespace whisper
