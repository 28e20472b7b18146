// Attention, O = softmax(scale·Q·Kᵀ)·V for each head, and its gradients, without ever holding the probabilities: tiles
// of scores are made, used and forgotten (Dao et al., FlashAttention, 2022; FlashAttention-2, 2023).
//
// A tile is transposed, Sᵀ = K·Qᵀ, keys down and queries across (kernels/attention.h), which makes every product one of
// the register tile's, A panels times B panels, with no transpose of the tile itself but for dK and dV:
//
//     forward    Sᵀ[keys, queries]  = K·(scale·Q)ᵀ          A: K panels      B: Q panels
//                Oᵀ[width, queries] = rescale·Oᵀ + Vᵀ·Pᵀ     A: V panels      B: the tile
//     backward   Sᵀ, dPᵀ = V·dOᵀ                            A: K, V panels   B: Q, dO panels
//                dV[keys, width]    += Pᵀ·dO                 A: the tile      B: dO panels
//                dK[keys, width]    += dSᵀ·(scale·Q)         A: the tile      B: Q panels
//                dQᵀ[width, queries] += Kᵀ·dSᵀ, times scale  A: K panels      B: the tile
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using cpu::Rows;
using cpu::RowsOf;
using cpu::ScoreTile;

constexpr int64_t kQueries = 96;     // across a tile; a multiple of every table's tile_columns
constexpr int64_t kKeys = 112;       // down a tile, at most
constexpr int64_t kKeyChunk = 448;   // keys whose panels stay in L2 through a backward pass over all queries
constexpr int64_t kFewQueries = 4;   // up to this many, each query reads keys and values once, where they lie
constexpr int64_t kTasks = 16;       // to cut the work into, whatever the number of threads: results must not depend on it

int64_t divide_up(int64_t n, int64_t d) { return (n + d - 1) / d; }
int64_t round_up(int64_t n, int64_t d) { return divide_up(n, d) * d; }

struct Sizes {
  int64_t batch, heads, time, source, width;
  bool causal;
  float scale;

  // Queries from t see keys below this, and one more each.
  int64_t visible(int64_t t) const { return causal ? source - time + t + 1 : source; }
};

Sizes sizes_of(const char* op, const View& q, const View& k, const View& v, int heads, bool causal) {
  const bool fits = q.shape.rank == 3 && k.shape.rank == 3 && v.shape == k.shape && q.shape[0] == k.shape[0] &&
                    q.shape[2] == k.shape[2];
  if (!fits) fail(Code::ShapeMismatch, op, ": q ", q.shape, ", k ", k.shape, " and v ", v.shape, " do not fit each other");
  if (heads < 1 || q.shape[2] % heads) fail(Code::ShapeMismatch, op, ": ", heads, " heads do not divide rows of ", q.shape[2]);
  if (causal && k.shape[1] < q.shape[1])
    fail(Code::ShapeMismatch, op, ": ", q.shape[1], " causal queries need as many keys, not ", k.shape[1]);
  const int64_t width = q.shape[2] / heads;
  return {q.shape[0], heads, q.shape[1], k.shape[1], width, causal, 1.0f / std::sqrt(static_cast<float>(width))};
}

// One head of one batch entry: rows are its queries or keys.
template <class T, class Operand>
RowsOf<T> head_of(const Operand& x, int64_t batch, int64_t head, int64_t width) {
  return {x.template as<float>() + batch * x.batch_stride + head * width, x.row_stride};
}

// Panels of `lines` lines (a tile's rows or columns) and `depth` steps of k, one behind the other (kernels/gemm.h).
struct Panels {
  float* data;
  int64_t lines, depth;

  static int64_t elements(int64_t count, int64_t lines, int64_t depth) { return round_up(count, lines) * depth + 16; }
  int64_t spacing() const { return lines * depth; }
  const float* at(int64_t line, int64_t k) const { return data + line / lines * spacing() + k * lines; }

  // Lines [first, first + count) and steps [k0, k0 + steps) of the source become lines and steps from 0 on.
  void fill(cpu::Pack pack, const Rows& source, int64_t first, int64_t count, int64_t k0, int64_t steps) const {
    for (int64_t i = 0; i < count; i += lines)
      pack(data + i / lines * spacing(), source, first + i, std::min(lines, count - i), k0, steps);
  }
};

// Hands out the parts of a thread's workspace; without memory it only counts what they need.
struct Parts {
  float* memory;
  int64_t used = 0;

  float* floats(int64_t n) {
    const int64_t at = std::exchange(used, used + round_up(n, 16));
    return memory ? memory + at : nullptr;
  }
  Panels panels(int64_t count, int64_t lines, int64_t depth) {
    return {floats(Panels::elements(count, lines, depth)), lines, depth};
  }
};

// C[count, columns] (+)= A·B with A's lines from `line` and its steps from k0 on.
void multiply(const cpu::GemmKernels& kernels, const Panels& a, int64_t line, int64_t count, int64_t k0, int64_t steps,
              const float* b, int64_t b_step, int64_t b_spacing, const RowsOf<float>& c, int64_t columns, bool add) {
  for (int64_t i = 0; i < count; i += a.lines) {
    const int64_t rows = std::min(a.lines, count - i);
    float* to[16];
    for (int64_t r = 0; r < rows; ++r) to[r] = c.row(i + r);
    kernels.multiply(rows, columns, steps, a.at(line + i, k0), b, b_step, b_spacing, to, nullptr, add);
  }
}

// Keys down a tile: whole A panels.
int64_t keys_of_tile(const cpu::GemmKernels& kernels) { return kKeys / kernels.tile_rows * kernels.tile_rows; }

// A thread's workspace of the forward pass: panels of all keys and values of a head, and of a block of its queries.
struct ForwardSpace {
  Panels k, v, q;
  float *scores, *out, *max, *sum, *rescale;
  int64_t floats;

  ForwardSpace(Parts&& parts, const cpu::GemmKernels& kernels, const Sizes& size)
      : k(parts.panels(size.source, kernels.tile_rows, size.width)),
        v(parts.panels(size.width, kernels.tile_rows, size.source)),
        q(parts.panels(kQueries, kernels.tile_columns, size.width)),
        scores(parts.floats(kKeys * kQueries)),
        out(parts.floats(size.width * kQueries)),
        max(parts.floats(kQueries)),
        sum(parts.floats(kQueries)),
        rescale(parts.floats(kQueries)),
        floats(parts.used) {}
};

// Queries [t, t + n) of a head, n <= kQueries. `lse` may be null.
void forward_block(const cpu::Kernels& kernels, const Sizes& size, const ForwardSpace& w, const Rows& q, int64_t t,
                   int64_t n, const RowsOf<float>& o, float* lse) {
  const int64_t lanes = kernels.gemm.tile_columns, columns = round_up(n, lanes), step = keys_of_tile(kernels.gemm);
  const int64_t limit = size.visible(t + n - 1);
  w.q.fill(kernels.gemm.pack_b_across, q, t, n, 0, size.width);
  std::fill_n(w.max, columns, -INFINITY);
  std::fill_n(w.sum, columns, 0.0f);
  for (int64_t s = 0; s < limit; s += step) {
    const int64_t keys = std::min(step, limit - s);
    multiply(kernels.gemm, w.k, s, keys, 0, size.width, w.q.data, lanes, w.q.spacing(), {w.scores, kQueries}, columns, false);
    kernels.attention.softmax_tile(w.scores, {keys, columns, kQueries, size.visible(t) - s, size.scale}, w.max, w.sum, w.rescale);
    if (s > 0) kernels.attention.scale_columns(w.out, size.width, columns, kQueries, w.rescale);
    multiply(kernels.gemm, w.v, 0, size.width, s, keys, w.scores, kQueries, lanes, {w.out, kQueries}, columns, s > 0);
  }
  float* rows[kQueries];
  for (int64_t j = 0; j < n; ++j) {
    rows[j] = o.row(t + j);
    if (lse) lse[t + j] = size.scale * w.max[j] + std::log(w.sum[j]);
  }
  for (int64_t j = 0; j < columns; ++j) w.sum[j] = 1.0f / w.sum[j];
  kernels.attention.store_transposed(rows, w.out, size.width, n, kQueries, w.sum, false);
}

// A thread's workspace of the backward pass: panels of a chunk of keys and values, and of a block of queries.
struct BackwardSpace {
  Panels k, v, k_along;                        // K and V as rows of Sᵀ and dPᵀ, K as the Kᵀ of dQᵀ
  Panels q, d_o, q_along, d_o_along, scores;   // the same of Q and dO; P or dS as the Pᵀ and dSᵀ of dV and dK
  float *p, *ds, *dq, *lse, *delta, *ones;
  int64_t floats;

  BackwardSpace(Parts&& parts, const cpu::GemmKernels& kernels, int64_t width)
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
void backward_chunk(const cpu::Kernels& kernels, const Sizes& size, const BackwardSpace& w, const Head& head, int64_t s0,
                    int64_t s1, bool add) {
  const cpu::GemmKernels& gemm = kernels.gemm;
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
      w.delta[j] = kernels.attention.dot(head.d_o.row(t + j), head.o.row(t + j), width);
      rows[j] = head.dq.row(t + j);
    }
    std::fill(w.lse + n, w.lse + columns, INFINITY);  // lanes without a query have the probability 0
    std::fill(w.delta + n, w.delta + columns, 0.0f);

    for (int64_t s = s0; s < limit; s += step) {
      const int64_t keys = std::min(step, limit - s);
      multiply(gemm, w.k, s - s0, keys, 0, width, w.q.data, lanes, w.q.spacing(), {w.p, kQueries}, columns, false);
      multiply(gemm, w.v, s - s0, keys, 0, width, w.d_o.data, lanes, w.d_o.spacing(), {w.ds, kQueries}, columns, false);
      kernels.attention.gradient_tile(w.p, w.ds, {keys, columns, kQueries, size.visible(t) - s, size.scale}, w.lse, w.delta);
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

// Few queries, as in decoding: scores, softmax and weighted sum straight from the rows of the cache.
void few_queries(const cpu::Kernels& kernels, const Sizes& size, const Out& o, float* lse, const In& q, const In& k, const In& v) {
  thread_local cpu::Scratch scratch;
  float* const scores = scratch.take<float>(size.source * cpu::threads());
  const int64_t count = size.batch * size.heads, chunk = std::max<int64_t>(1, (1 << 16) / (size.source * size.width));
  cpu::parallel_for(count, chunk, [&](int64_t begin, int64_t end) {
    float* const p = scores + cpu::thread_index() * size.source;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / size.heads, h = i % size.heads;
      const Rows queries = head_of<const float>(q, b, h, size.width), keys = head_of<const float>(k, b, h, size.width);
      const Rows values = head_of<const float>(v, b, h, size.width);
      for (int64_t t = 0; t < size.time; ++t) {
        const int64_t n = size.visible(t);
        const float* const query = queries.row(t);
        kernels.gemm.dots(1, n, size.width, &query, keys.data, keys.row_stride, nullptr, &p);
        const float log_sum = kernels.attention.softmax(p, n, size.scale);
        if (lse) lse[i * size.time + t] = log_sum;
        kernels.attention.weighted_sum(head_of<float>(o, b, h, size.width).row(t), p, values.data, values.row_stride, n, size.width);
      }
    }
  });
}

}  // namespace

void CpuBackend::attention(Out o, Out lse, In q, In k, In v, int heads, bool causal) {
  const Sizes size = sizes_of("attention", q, k, v, heads, causal);
  if (size.time <= kFewQueries) return few_queries(kernels_, size, o, lse.as<float>(), q, k, v);
  const int64_t parts = std::clamp(divide_up(kTasks, size.batch * size.heads), int64_t{1}, divide_up(size.time, kQueries));
  const int64_t part = divide_up(size.time, parts);
  const int64_t share = ForwardSpace({nullptr}, kernels_.gemm, size).floats;
  thread_local cpu::Scratch scratch;
  float* const memory = scratch.take<float>(share * cpu::threads());
  cpu::parallel_for(size.batch * size.heads * parts, 1, [&](int64_t begin, int64_t end) {
    const ForwardSpace w({memory + cpu::thread_index() * share}, kernels_.gemm, size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / parts / heads, h = i / parts % heads, t0 = i % parts * part, t1 = std::min(size.time, t0 + part);
      if (t0 >= t1) continue;
      const int64_t limit = size.visible(t1 - 1);
      w.k.fill(kernels_.gemm.pack_a_across, head_of<const float>(k, b, h, size.width), 0, limit, 0, size.width);
      w.v.fill(kernels_.gemm.pack_a_along, head_of<const float>(v, b, h, size.width), 0, size.width, 0, limit);
      for (int64_t t = t0; t < t1; t += kQueries)
        forward_block(kernels_, size, w, head_of<const float>(q, b, h, size.width), t, std::min(kQueries, t1 - t),
                      head_of<float>(o, b, h, size.width), lse ? lse.as<float>() + i / parts * size.time : nullptr);
    }
  });
}

void CpuBackend::attention_backward(Out dq, Out dk, Out dv, In d_o, In q, In k, In v, In o, In lse, int heads, bool causal) {
  const Sizes size = sizes_of("attention_backward", q, k, v, heads, causal);
  const int64_t parts = std::clamp(divide_up(kTasks, size.batch * size.heads), int64_t{1}, divide_up(size.source, kKeys));
  const int64_t part = divide_up(size.source, parts), head_size = size.time * size.width;
  const int64_t share = BackwardSpace({nullptr}, kernels_.gemm, size.width).floats;
  thread_local cpu::Scratch scratch, shares_of_dq;
  float* const memory = scratch.take<float>(share * cpu::threads());
  float* const partial = shares_of_dq.take<float>(size.batch * size.heads * (parts - 1) * head_size);
  // The first keys of a head write dQ itself, the others write what is to be added to it.
  const auto dq_share = [&](int64_t head, int64_t p) {
    return partial + (head * (parts - 1) + p - 1) * head_size;
  };
  cpu::parallel_for(size.batch * size.heads * parts, 1, [&](int64_t begin, int64_t end) {
    const BackwardSpace w({memory + cpu::thread_index() * share}, kernels_.gemm, size.width);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / parts / heads, h = i / parts % heads, p = i % parts;
      const auto in = [&](const In& x) { return head_of<const float>(x, b, h, size.width); };
      const auto out = [&](const Out& x) { return head_of<float>(x, b, h, size.width); };
      const Head head{in(q), in(k), in(v), in(o), in(d_o), lse.as<float>() + i / parts * size.time,
                      p == 0 ? out(dq) : RowsOf<float>(dq_share(i / parts, p), size.width), out(dk), out(dv)};
      const int64_t end_of_part = std::min(size.source, (p + 1) * part);
      for (int64_t s = p * part; s < end_of_part; s += kKeyChunk)
        backward_chunk(kernels_, size, w, head, s, std::min(end_of_part, s + kKeyChunk), s > p * part);
    }
  });
  if (parts == 1) return;
  cpu::parallel_for(size.batch * size.heads * size.time, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / size.time, t = i % size.time;
      float* const row = head_of<float>(dq, head / heads, head % heads, size.width).row(t);
      for (int64_t p = 1; p < parts; ++p)
        kernels_.elementwise.add(row, row, dq_share(head, p) + t * size.width, size.width);
    }
  });
}

}  // namespace whisper
