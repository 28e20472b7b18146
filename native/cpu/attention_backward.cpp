// Attention backward (FlashAttention-2, arXiv:2307.08691, algorithm 2). The probabilities are computed again from the
// log-sum-exp of the forward pass, tile by tile, with S = scale·Q·Kᵀ and delta = Σ dO∘O per query:
//
//     P = exp(S - lse)    dV = Pᵀ·dO    dS = scale·P∘(dO·Vᵀ - delta)    dQ = dS·K    dK = dSᵀ·Q
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
  float *p, *ds, *dq, *lse, *delta, *ones;
  int64_t floats;

  BackwardSpace(Parts&& parts, const GemmKernels& kernels, int64_t width)
      : k(parts.panels(kKeyChunk, kernels.tile_rows, width)),
        v(parts.panels(kKeyChunk, kernels.tile_rows, width)),
        k_along(parts.panels(width, kernels.tile_rows, kKeyChunk)),
        q(parts.panels(kQueries, kernels.tile_columns, width)),
        d_o(parts.panels(kQueries, kernels.tile_columns, width)),
        q_along(parts.panels(width, kernels.tile_columns, kQueries)),
        d_o_along(parts.panels(width, kernels.tile_columns, kQueries)),
        scores(parts.panels(kKeys, kernels.tile_rows, kQueries)),
        p(parts.floats(kKeys * kQueries)),
        ds(parts.floats(kKeys * kQueries)),
        dq(parts.floats(width * kQueries)),
        lse(parts.floats(kQueries)),
        delta(parts.floats(kQueries)),
        ones(parts.floats(kQueries)),
        floats(parts.used) {}
};

struct Head {
  Rows q, k, v, o, d_o;
  const float* lse;
  RowsOf<float> dq, dk, dv;  // dq: of the whole head, or the share of some keys in it
};

// What keys [s0, s1), at most kKeyChunk, give to dQ (added unless they are the first), and all of their dK and dV.
void backward_chunk(const Kernels& kernels, const AttentionSize& size, const BackwardSpace& w, const Head& head,
                    int64_t s0, int64_t s1, bool add) {
  const GemmKernels& gemm = kernels.gemm;
  const int64_t width = size.width, lanes = gemm.tile_columns, step = keys_of_tile(gemm);
  w.k.fill(gemm.pack_a_across, head.k, s0, s1 - s0, 0, width);
  w.v.fill(gemm.pack_a_across, head.v, s0, s1 - s0, 0, width);
  w.k_along.fill(gemm.pack_a_along, head.k, 0, width, s0, s1 - s0);
  std::fill_n(w.ones, kQueries, 1.0f);
  for (int64_t s = s0; s < s1; ++s) {
    std::fill_n(head.dk.row(s), width, 0.0f);
    std::fill_n(head.dv.row(s), width, 0.0f);
  }
  for (int64_t t = 0; t < size.time; t += kQueries) {
    const int64_t n = std::min(kQueries, size.time - t), columns = round_up(n, lanes);
    const int64_t limit = std::min(s1, size.visible(t + n - 1));
    if (limit <= s0) {  // these queries see none of the keys
      for (int64_t j = t; !add && j < t + n; ++j) std::fill_n(head.dq.row(j), width, 0.0f);
      continue;
    }
    w.q.fill(gemm.pack_b_across, head.q, t, n, 0, width);
    w.d_o.fill(gemm.pack_b_across, head.d_o, t, n, 0, width);
    w.q_along.fill(gemm.pack_b_along, head.q, 0, width, t, n);
    w.d_o_along.fill(gemm.pack_b_along, head.d_o, 0, width, t, n);
    float* rows[kQueries];
    for (int64_t j = 0; j < n; ++j) {
      w.lse[j] = head.lse[t + j];
      w.delta[j] = kernels.attention.dot(static_cast<const float*>(head.d_o.row(t + j).address),
                                         static_cast<const float*>(head.o.row(t + j).address), width);
      rows[j] = head.dq.row(t + j);
    }
    std::fill(w.lse + n, w.lse + columns, INFINITY);  // lanes without a query have the probability 0
    std::fill(w.delta + n, w.delta + columns, 0.0f);

    for (int64_t s = s0; s < limit; s += step) {
      const int64_t keys = std::min(step, limit - s);
      multiply(gemm, w.k, s - s0, keys, 0, width, w.q.data, lanes, w.q.spacing(), {w.p, kQueries}, columns, false);
      multiply(gemm, w.v, s - s0, keys, 0, width, w.d_o.data, lanes, w.d_o.spacing(), {w.ds, kQueries}, columns, false);
      kernels.attention.gradient_tile(w.p, w.ds, {keys, columns, kQueries, size.visible(t) - s, size.scale}, w.lse,
                                      w.delta);
      w.scores.fill(gemm.pack_a_across, {w.p, kQueries}, 0, keys, 0, n);
      multiply(gemm, w.scores, 0, keys, 0, n, w.d_o_along.data, lanes, w.d_o_along.spacing(),
               {head.dv.row(s), head.dv.row_stride}, width, true);
      w.scores.fill(gemm.pack_a_across, {w.ds, kQueries}, 0, keys, 0, n);
      multiply(gemm, w.scores, 0, keys, 0, n, w.q_along.data, lanes, w.q_along.spacing(),
               {head.dk.row(s), head.dk.row_stride}, width, true);
      multiply(gemm, w.k_along, 0, width, s - s0, keys, w.ds, kQueries, lanes, {w.dq, kQueries}, columns, s > s0);
    }
    kernels.attention.store_transposed(rows, w.dq, width, n, kQueries, w.ones, add);
  }
}

}  // namespace

void CpuBackend::attention_backward(Out dq, Out dk, Out dv, In d_o, In q, In k, In v, In o, In lse, int heads,
                                    bool causal, Dropout dropout) {
  if (dropout) fail(Code::InvalidArgument, "attention_backward: dropout is not there");
  const Expect op("attention_backward");
  const AttentionSize size(op, "attention_backward", q, k, v, heads, causal);
  const int64_t queries = size.batch * size.time, keys = size.batch * size.source, all = heads * size.width;
  op.strided("dq", dq, queries, all);
  op.strided("d_o", d_o, queries, all);
  op.strided("o", o, queries, all);
  op.strided("dk", dk, keys, all);
  op.strided("dv", dv, keys, all);
  op.flat("lse", lse, size.batch * heads * size.time);
  // Few heads are cut into parts of their keys, whole tiles where possible.
  const int64_t wanted = std::min(divide_up(kTasks, size.batch * heads), divide_up(size.source, kKeys));
  const int64_t part = round_up(divide_up(size.source, wanted), keys_of_tile(kernels_.gemm));
  const int64_t parts = divide_up(size.source, part), head_size = size.time * size.width;
  const int64_t share = BackwardSpace({nullptr}, kernels_.gemm, size.width).floats;
  thread_local Scratch scratch, shares_of_dq;
  float* const memory = scratch.take<float>(share * threads());
  float* const partial = shares_of_dq.take<float>(size.batch * size.heads * (parts - 1) * head_size);
  // The first keys of a head write dQ itself, the others write what is to be added to it.
  const auto dq_share = [&](int64_t head, int64_t p) { return partial + (head * (parts - 1) + p - 1) * head_size; };
  parallel_for(size.batch * size.heads * parts, 1, [&](int64_t begin, int64_t end) {
    const BackwardSpace w({memory + thread_index() * share}, kernels_.gemm, size.width);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / parts / heads, h = i / parts % heads, p = i % parts;
      const auto in = [&](const In& x) { return head_of(x, b, h, size.width); };
      const auto out = [&](const Out& x) { return head_of(x, b, h, size.width); };
      const Head head{in(q),
                      in(k),
                      in(v),
                      in(o),
                      in(d_o),
                      lse.as<float>() + i / parts * size.time,
                      p == 0 ? out(dq) : RowsOf<float>(dq_share(i / parts, p), size.width),
                      out(dk),
                      out(dv)};
      const int64_t end_of_part = std::min(size.source, (p + 1) * part);
      for (int64_t s = p * part; s < end_of_part; s += kKeyChunk)
        backward_chunk(kernels_, size, w, head, s, std::min(end_of_part, s + kKeyChunk), s > p * part);
    }
  });
  if (parts == 1) return;
  parallel_for(size.batch * size.heads * size.time, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / size.time, t = i % size.time;
      float* const row = head_of(dq, head / heads, head % heads, size.width).row(t);
      for (int64_t p = 1; p < parts; ++p)
        kernels_.elementwise.add(row, row, dq_share(head, p) + t * size.width, size.width);
    }
  });
}

}  // namespace whisper
