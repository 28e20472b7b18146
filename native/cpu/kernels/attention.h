// The inner loops of attention around its matrix products (cpu/attention.cpp).
//
// Tiles of scores lie transposed, [keys][queries]: the queries are the lanes of vectors. Maxima, sums and gradients of
// the softmax then need no step across lanes, and a tile is at once a packed B operand for the next product.
#pragma once
#include <cstdint>

#include "core/dropout.h"
#include "cpu/kernels/floats.h"

namespace whisper::cpu {

constexpr int64_t kTileQueries = 32;  // across a tile at most: its rows lie so far apart

// A tile of `keys` x `queries` numbers; queries is a multiple of GemmKernels::tile_columns. Query j sees the tile's
// keys below visible + j: all of them where there is no mask. As a factor of the next product it has `steps` keys, the
// last of which are zero. `factors` are dropout's, in the places of the numbers, or null without dropout.
struct ScoreTile {
  int64_t keys, steps, queries, visible;
  float scale;
  const float* factors = nullptr;
};

// A tile of queries beside all the keys that it sees, for kernels that make products and probabilities side by side.
struct AttendedTile {
  int64_t keys, width, visible;  // as in ScoreTile; width is a multiple of kTileQueries
  float scale;
  const std::byte *q, *k, *v;    // Q's B panel, the A panels of K (its lines are keys) and of V (its steps are)
  int64_t k_panel, v_panel;      // bytes from such a panel to the next
  float *out, *reference, *sum;  // Oᵀ, [width][kTileQueries], as yet to be divided by the sums; see softmax_tile
};

// What becomes of scores: factors of the products that follow, packed as those want them (gemm.h: GemmKernels).
//
//                       f32                                          bf16
//     a B panel         in place of the scores: [keys][32]           rounded: [steps / 2][32][2]
//     rows (backward)   in place as well: the B panel is the rows    rounded: [keys][32]
struct ScoreKernels {
  // S becomes P = exp(scale·(S - reference)) times the factors, in `panel`, which for f32 is `scores`. The largest
  // scores so far are at most exp(kLag) times the reference, so that it seldom moves. `reference` and `sum` (of P
  // without the factors) go on from tile to tile, from -inf and 0; true: a reference has moved, and what was summed up
  // under the old ones has to be multiplied by `rescale`.
  bool (*softmax_tile)(float* scores, const ScoreTile& tile, float* reference, float* sum, float* rescale, void* panel);
  // S becomes factors∘P with P = exp(scale·S - lse) in `p_rows`, dP becomes dS = scale·P∘(factors∘dP - delta) in
  // `ds_rows` and in `ds_panel`. For f32 these are `scores` and, twice, `dp`.
  void (*gradient_tile)(float* scores, float* dp, const ScoreTile& tile, const float* lse, const float* delta,
                        void* p_rows, void* ds_rows, void* ds_panel);
  // The same as making scores, softmax_tile and the product with V for one tile of keys after the other, without
  // dropout; null where there is nothing to be gained by it.
  void (*attend)(const AttendedTile& tile) = nullptr;
};

struct AttentionKernels {
  ScoreKernels scores;  // for products of f32
  // factors[r·kTileQueries + j] = 1/(1 - rate) where element `number` + j·source + r of the dropout is kept, 0 where it
  // is dropped, for key r and query j of the tile
  void (*dropout_factors)(float* factors, const ScoreTile& tile, const Dropout& dropout, uint64_t number,
                          int64_t source);
  // x[i·stride + j] *= factor[j], i < rows, j < columns
  void (*scale_columns)(float* x, int64_t rows, int64_t columns, int64_t stride, const float* factor);
  // out[j·out_stride + i] = (add ? out[j·out_stride + i] : 0) + x[i·stride + j]·factor[j], i < rows, j < columns
  void (*store_transposed)(Floats out, int64_t out_stride, const float* x, int64_t rows, int64_t columns,
                           int64_t stride, const float* factor, bool add);
  // Σ x·y; of one dtype
  float (*dot)(ConstFloats x, ConstFloats y, int64_t n);
};

}  // namespace whisper::cpu
