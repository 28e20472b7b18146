// What the two directions of attention share: sizes, heads of an operand, packed panels and products of tiles.
//
// A tile of scores is transposed, Sᵀ = K·Qᵀ, keys down and queries across (kernels/attention.h). Every product is then
// one of the register tile's, A panels times B panels, and the tile itself is a B operand as it stands:
//
//     forward    Sᵀ[keys, queries]   = K·Qᵀ                  A: K panels           B: Q panel
//                Oᵀ[width, queries]  = rescale·Oᵀ + Vᵀ·Pᵀ     A: V panels           B: Pᵀ
//     backward   Sᵀ and dPᵀ[keys, queries] = V·dOᵀ           A: K, V panels        B: Q, dO panels
//                dQᵀ[width, queries] += Kᵀ·dSᵀ                A: K panels           B: dSᵀ
//                dV[keys, width]     += Pᵀ·dO                 A: rows of Pᵀ        B: dO panels
//                dK[keys, width]     += dSᵀ·Q                 A: rows of dSᵀ       B: Q panels
//
// Scores, maxima and sums are of f32. What goes into a product is of f32, or of bf16 if that is how the operands are
// stored and the table multiplies bf16: P and dS are then rounded as they are made.
#pragma once
#include <algorithm>
#include <utility>

#include "core/attention_size.h"
#include "cpu/kernels.h"

namespace whisper::cpu {

constexpr int64_t kKeys = 112;  // down a tile, at most
constexpr int64_t kTasks = 16;  // to cut the work into, whatever the number of threads: results must not depend on it

constexpr int64_t divide_up(int64_t n, int64_t d) { return (n + d - 1) / d; }
constexpr int64_t round_up(int64_t n, int64_t d) { return divide_up(n, d) * d; }

// Keys down a tile: whole A panels.
inline int64_t keys_of_tile(const GemmKernels& kernels) { return kKeys / kernels.tile_rows * kernels.tile_rows; }

// How many tasks of so many scores are worth handing to a thread: one of a short sequence takes two microseconds.
inline int64_t tasks_at_once(const AttentionSize& size, int64_t scores) {
  return std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(scores * size.width, 1));
}

// One head of one batch entry: rows are its queries or keys.
inline Rows head_of(const In& x, int64_t batch, int64_t head, int64_t width) {
  return {ConstFloats(x.address, x.dtype) + (batch * x.batch_stride + head * width), x.row_stride};
}
inline RowsAt<Floats> head_of(const Out& x, int64_t batch, int64_t head, int64_t width) {
  return {Floats(x.address, x.dtype) + (batch * x.batch_stride + head * width), x.row_stride};
}

// Panels of `lines` lines (a tile's rows or columns) and `depth` steps of k, one behind the other (kernels/gemm.h).
struct Panels {
  std::byte* data;
  int64_t lines, spacing, element;  // bytes from a panel to the next, and of an element

  std::byte* at(int64_t line, int64_t k) const { return data + line / lines * spacing + k * lines * element; }

  // Lines [first, first + count) and steps [k0, k0 + steps) of the source become lines from 0 and steps from `to` on.
  void fill(Pack pack, const Rows& source, int64_t first, int64_t count, int64_t k0, int64_t steps,
            int64_t to = 0) const {
    for (int64_t i = 0; i < count; i += lines)
      pack(at(i, to), source, first + i, std::min(lines, count - i), k0, steps);
  }
};

// The rows of a head are pieces of longer ones, too far apart for the processor to foresee: they are asked for a step
// before they are packed.
inline void prefetch(const Rows& rows, int64_t first, int64_t last, int64_t width) {
  const int64_t bytes = width * static_cast<int64_t>(size_of(rows.data.type));
  for (; first < last; ++first)
    for (int64_t at = 0; at < bytes; at += 64)
      __builtin_prefetch(static_cast<const std::byte*>(rows.row(first).address) + at);
}

// Panels of `count` rows of a head from `first` on, as lines or as steps of k.
inline void pack_across(const Panels& panels, Pack pack, const Rows& rows, int64_t first, int64_t count,
                        int64_t width) {
  for (int64_t i = 0; i < count; i += panels.lines) {
    prefetch(rows, first + i + panels.lines, first + std::min(count, i + 2 * panels.lines), width);
    pack(panels.at(i, 0), rows, first + i, std::min(panels.lines, count - i), 0, width);
  }
}
inline void pack_along(const Panels& panels, Pack pack, const Rows& rows, int64_t first, int64_t count, int64_t width) {
  constexpr int64_t kRows = 32;  // at a time, which every panel takes a piece of; a multiple of every depth_step
  for (int64_t k = 0; k < count; k += kRows) {
    prefetch(rows, first + k + kRows, first + std::min(count, k + 2 * kRows), width);
    panels.fill(pack, rows, 0, width, first + k, std::min(kRows, count - k), k);
  }
}

// What products are summed up in, and where its rows lie: what the register tile wants to know.
struct Matrix {
  float* data;
  float** rows;
};

// Hands out the parts of a thread's workspace; without memory it only counts the bytes that they need.
struct Parts {
  std::byte* memory;
  int64_t used = 0;

  std::byte* bytes(int64_t n) {
    const int64_t at = std::exchange(used, used + round_up(n, 64));
    return memory ? memory + at : nullptr;
  }
  // A matrix of `count` rows, dense.
  Matrix matrix(int64_t count, int64_t width) {
    float* const elements = floats(count * width);
    auto** const rows = reinterpret_cast<float**>(bytes(count * static_cast<int64_t>(sizeof(float*))));
    for (int64_t i = 0; memory && i < count; ++i) rows[i] = elements + i * width;
    return {elements, rows};
  }
  float* floats(int64_t n) { return reinterpret_cast<float*>(bytes(n * static_cast<int64_t>(sizeof(float)))); }
  Panels panels_a(const GemmKernels& gemm, int64_t count, int64_t depth) {
    return panels(gemm, gemm.tile_rows, count, depth);
  }
  Panels panels_b(const GemmKernels& gemm, int64_t count, int64_t depth) {
    return panels(gemm, gemm.tile_columns, count, depth);
  }

 private:
  Panels panels(const GemmKernels& gemm, int64_t lines, int64_t count, int64_t depth) {
    // Packing may overwrite a vector behind a panel, whose neighbour is perhaps packed already.
    const int64_t spacing = round_up(lines * gemm.steps(depth) * gemm.bytes, 64) + (lines % 16 ? 64 : 0);
    return {bytes(divide_up(count, lines) * spacing + 64), lines, spacing, gemm.bytes};
  }
};

// The tile of scores of `columns` queries from t on and `keys` keys from s on. Its factors of dropout, if there is any,
// are made in `factors`.
inline ScoreTile tile_of(const Kernels& kernels, const AttentionSize& size, int64_t head, int64_t t, int64_t columns,
                         int64_t s, int64_t keys, float* factors) {
  ScoreTile tile{keys, kernels.products(size.type).steps(keys), columns, size.visible(t) - s, size.scale};
  if (!size.dropout) return tile;
  kernels.attention.dropout_factors(factors, tile, size.dropout, size.number(head, t, s), size.source);
  tile.factors = factors;
  return tile;
}

// A B operand: panels from a step of k on, or a tile of scores.
struct BPanels {
  const void* data;
  int64_t step, panel;  // elements from a step to the next, and from a panel to the next

  static BPanels of(const Panels& panels, int64_t line, int64_t k) {
    return {panels.at(line, k), panels.lines, panels.spacing / panels.element};
  }
  static BPanels of_tile(const GemmKernels& gemm, const void* tile) { return {tile, kTileQueries, gemm.tile_columns}; }
};

// C[count, columns] (+)= A·B with A's lines from `line` and its steps from k0 on. `c` are C's rows.
inline void multiply(const GemmKernels& gemm, const Panels& a, int64_t line, int64_t count, int64_t k0, int64_t steps,
                     const BPanels& b, float* const* c, int64_t columns, bool add) {
  for (int64_t i = 0; i < count; i += a.lines)
    gemm.multiply({std::min(a.lines, count - i), columns, gemm.steps(steps), a.at(line + i, k0), b.data, b.step,
                   b.panel, c + i, add});
}

}  // namespace whisper::cpu
