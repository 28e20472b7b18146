// Attention backward (FlashAttention-2, arXiv:2307.08691, algorithm 2). The probabilities are computed again from the
// log-sum-exp of the forward pass, tile by tile, and so are the factors M of dropout, 0 or 1/(1 - rate); without
// dropout they are 1. With S = scale·Q·Kᵀ, and delta = Σ dO∘O per query:
//
//     P = exp(S - lse)    dV = (M∘P)ᵀ·dO    dS = scale·P∘(M∘(dO·Vᵀ) - delta)    dQ = dS·K    dK = dSᵀ·Q
//
// Gradients are summed up in f32: where they belong if they are of f32, in a workspace, and rounded once, if they are
// of 16 bits.
#include "cpu/attention_tiles.h"
#include "cpu/cpu_backend.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using namespace cpu;

constexpr int64_t kKeyChunk = 6 * kKeys;  // keys whose panels stay in L2 through a pass over all queries

// A thread's workspace of the backward pass: panels of a chunk of keys and values, and of a block of queries.
struct BackwardSpace {
  Panels k, v, k_along;                       // K and V as rows of Sᵀ and dPᵀ, K as the Kᵀ of dQᵀ
  Panels q, d_o, q_along, d_o_along, scores;  // the same of Q and dO; P or dS as the Pᵀ and dSᵀ of dV and dK
  float *p, *ds, *factors, *dq, *lse, *delta, *ones;
  float *dk_sums, *dv_sums;  // of gradients of 16 bits
  int64_t floats;

  BackwardSpace(Parts&& parts, const GemmKernels& kernels, const AttentionSize& size)
      : k(parts.panels(kKeyChunk, kernels.tile_rows, size.width)),
        v(parts.panels(kKeyChunk, kernels.tile_rows, size.width)),
        k_along(parts.panels(size.width, kernels.tile_rows, kKeyChunk)),
        q(parts.panels(kQueries, kernels.tile_columns, size.width)),
        d_o(parts.panels(kQueries, kernels.tile_columns, size.width)),
        q_along(parts.panels(size.width, kernels.tile_columns, kQueries)),
        d_o_along(parts.panels(size.width, kernels.tile_columns, kQueries)),
        scores(parts.panels(kKeys, kernels.tile_rows, kQueries)),
        p(parts.floats(kKeys * kQueries)),
        ds(parts.floats(kKeys * kQueries)),
        factors(parts.floats(size.dropout ? kKeys * kQueries : 0)),
        dq(parts.floats(size.width * kQueries)),
        lse(parts.floats(kQueries)),
        delta(parts.floats(kQueries)),
        ones(parts.floats(kQueries)),
        dk_sums(parts.floats(size.type == DType::F32 ? 0 : kKeyChunk * size.width)),
        dv_sums(parts.floats(size.type == DType::F32 ? 0 : kKeyChunk * size.width)),
        floats(parts.used) {}
};

struct Head {
  int64_t index;  // heads are counted through the batch
  Rows q, k, v, o, d_o;
  const float* lse;
  RowsAt<Floats> dk, dv;
};

// Where the rows of a gradient from `first` on are summed up: in their places or in the workspace …
RowsOf<float> sums_of(const RowsAt<Floats>& gradient, int64_t first, float* workspace, int64_t width) {
  if (gradient.data.type != DType::F32) return {workspace, width};
  return {static_cast<float*>(gradient.row(first).address), gradient.row_stride};
}

// … from which they are then rounded to their places.
void store_sums(const Kernels& kernels, const RowsAt<Floats>& gradient, int64_t first, const RowsOf<float>& sums,
                int64_t count, int64_t width) {
  if (gradient.data.type == DType::F32) return;
  for (int64_t i = 0; i < count; ++i) kernels.elementwise.cast(gradient.row(first + i), sums.row(i), width);
}

// What keys [s0, s1), at most kKeyChunk, give to dQ (added unless they are the first), and all of their dK and dV.
void backward_chunk(const Kernels& kernels, const AttentionSize& size, const BackwardSpace& w, const Head& head,
                    int64_t s0, int64_t s1, const RowsOf<float>& dq, const RowsOf<float>& dk, const RowsOf<float>& dv,
                    bool add) {
  const GemmKernels& gemm = kernels.gemm;
  const int64_t width = size.width, lanes = gemm.tile_columns, step = keys_of_tile(gemm);
  w.k.fill(gemm.pack_a_across, head.k, s0, s1 - s0, 0, width);
  w.v.fill(gemm.pack_a_across, head.v, s0, s1 - s0, 0, width);
  w.k_along.fill(gemm.pack_a_along, head.k, 0, width, s0, s1 - s0);
  std::fill_n(w.ones, kQueries, 1.0f);
  for (int64_t i = 0; i < s1 - s0; ++i) {
    std::fill_n(dk.row(i), width, 0.0f);
    std::fill_n(dv.row(i), width, 0.0f);
  }
  for (int64_t t = 0; t < size.time; t += kQueries) {
    const int64_t n = std::min(kQueries, size.time - t), columns = round_up(n, lanes);
    const int64_t limit = std::min(s1, size.visible(t + n - 1));
    if (limit <= s0) {  // these queries see none of the keys
      for (int64_t j = t; !add && j < t + n; ++j) std::fill_n(dq.row(j), width, 0.0f);
      continue;
    }
    w.q.fill(gemm.pack_b_across, head.q, t, n, 0, width);
    w.d_o.fill(gemm.pack_b_across, head.d_o, t, n, 0, width);
    w.q_along.fill(gemm.pack_b_along, head.q, 0, width, t, n);
    w.d_o_along.fill(gemm.pack_b_along, head.d_o, 0, width, t, n);
    for (int64_t j = 0; j < n; ++j) {
      w.lse[j] = head.lse[t + j];
      w.delta[j] = kernels.attention.dot(head.d_o.row(t + j), head.o.row(t + j), width);
    }
    std::fill(w.lse + n, w.lse + columns, INFINITY);  // lanes without a query have the probability 0
    std::fill(w.delta + n, w.delta + columns, 0.0f);

    for (int64_t s = s0; s < limit; s += step) {
      const int64_t keys = std::min(step, limit - s);
      multiply(gemm, w.k, s - s0, keys, 0, width, w.q.data, lanes, w.q.spacing(), {w.p, kQueries}, columns, false);
      multiply(gemm, w.v, s - s0, keys, 0, width, w.d_o.data, lanes, w.d_o.spacing(), {w.ds, kQueries}, columns, false);
      const ScoreTile tile = tile_of(kernels.attention, size, head.index, t, columns, s, keys, w.factors);
      kernels.attention.gradient_tile(w.p, w.ds, tile, w.lse, w.delta);
      w.scores.fill(gemm.pack_a_across, {w.p, kQueries}, 0, keys, 0, n);
      multiply(gemm, w.scores, 0, keys, 0, n, w.d_o_along.data, lanes, w.d_o_along.spacing(),
               {dv.row(s - s0), dv.row_stride}, width, true);
      w.scores.fill(gemm.pack_a_across, {w.ds, kQueries}, 0, keys, 0, n);
      multiply(gemm, w.scores, 0, keys, 0, n, w.q_along.data, lanes, w.q_along.spacing(),
               {dk.row(s - s0), dk.row_stride}, width, true);
      multiply(gemm, w.k_along, 0, width, s - s0, keys, w.ds, kQueries, lanes, {w.dq, kQueries}, columns, s > s0);
    }
    kernels.attention.store_transposed(dq.row(t), dq.row_stride, w.dq, width, n, kQueries, w.ones, add);
  }
}

// Keys [begin, end) of a head: their share of dQ, and all of their dK and dV.
void backward_part(const Kernels& kernels, const AttentionSize& size, const BackwardSpace& w, const Head& head,
                   int64_t begin, int64_t end, const RowsOf<float>& dq) {
  for (int64_t s = begin; s < end; s += kKeyChunk) {
    const int64_t count = std::min(kKeyChunk, end - s);
    const RowsOf<float> dk = sums_of(head.dk, s, w.dk_sums, size.width);
    const RowsOf<float> dv = sums_of(head.dv, s, w.dv_sums, size.width);
    backward_chunk(kernels, size, w, head, s, s + count, dq, dk, dv, s > begin);
    store_sums(kernels, head.dk, s, dk, count, size.width);
    store_sums(kernels, head.dv, s, dv, count, size.width);
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
  const int64_t part = round_up(divide_up(size.source, wanted), keys_of_tile(kernels_.gemm));
  const int64_t parts = divide_up(size.source, part), head_size = size.time * size.width;
  // Every part makes its share of dQ in a workspace; of dQ in f32 the first makes it in place. Shares of several parts
  // are kept until they are added up; a part that is all of a head needs its share while it is at work.
  const int64_t in_place = size.type == DType::F32 ? 1 : 0;
  const int64_t shares = (parts > 1 ? size.batch * heads : threads()) * (parts - in_place);
  const int64_t share = BackwardSpace({nullptr}, kernels_.gemm, size).floats;
  thread_local Scratch scratch, shares_of_dq;
  float* const memory = scratch.take<float>(share * threads());
  float* const workspace = shares_of_dq.take<float>(shares * head_size);
  const auto dq_of = [&](int64_t head) { return head_of(dq, head / heads, head % heads, size.width); };
  const auto share_of = [&](int64_t head, int64_t p) -> RowsOf<float> {
    if (p < in_place) return sums_of(dq_of(head), 0, nullptr, size.width);
    const int64_t at = (parts > 1 ? head : thread_index()) * (parts - in_place) + p - in_place;
    return {workspace + at * head_size, size.width};
  };
  parallel_for(size.batch * size.heads * parts, 1, [&](int64_t begin, int64_t end) {
    const BackwardSpace w({memory + thread_index() * share}, kernels_.gemm, size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t index = i / parts, p = i % parts;
      const auto of = [&](const auto& x) { return head_of(x, index / heads, index % heads, size.width); };
      const Head head{index, of(q), of(k), of(v), of(o), of(d_o), lse.as<float>() + index * size.time, of(dk), of(dv)};
      const RowsOf<float> sums = share_of(index, p);
      backward_part(kernels_, size, w, head, p * part, std::min(size.source, (p + 1) * part), sums);
      if (parts == 1) store_sums(kernels_, dq_of(index), 0, sums, size.time, size.width);
    }
  });
  if (parts == 1) return;
  parallel_for(size.batch * size.heads * size.time, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / size.time, t = i % size.time;
      float* const row = share_of(head, 0).row(t);
      for (int64_t p = 1; p < parts; ++p) kernels_.elementwise.add(row, row, share_of(head, p).row(t), size.width);
      store_sums(kernels_, dq_of(head), t, {row, size.width}, 1, size.width);
    }
  });
}

}  // namespace whisper
