// The inner loops of attention around its matrix products (cpu/attention.cpp).
//
// Tiles of scores lie transposed, [keys][queries]: the queries are the lanes of vectors. Maxima, sums and gradients of
// the softmax then need no step across lanes, and a tile is at once a packed B operand for the next product.
#pragma once
#include <cstdint>

#include "core/dropout.h"
#include "cpu/kernels/floats.h"

namespace whisper::cpu {

// A tile of `keys` x `queries` numbers, its rows `stride` apart; queries is a multiple of GemmKernels::tile_columns.
// Query j sees the tile's keys below visible + j: all of them where there is no mask. `factors` are dropout's, in the
// places of the numbers, or null without dropout.
struct ScoreTile {
  int64_t keys, queries, stride, visible;
  float scale;
  const float* factors = nullptr;
};

struct AttentionKernels {
  // factors[r·stride + j] = 1/(1 - rate) where element `number` + j·source + r of the dropout is kept, 0 where it is
  // dropped, for key r and query j of the tile
  void (*dropout_factors)(float* factors, const ScoreTile& tile, const Dropout& dropout, uint64_t number,
                          int64_t source);
  // S becomes P = exp(scale·(S - max)) for the largest scores so far; `max` and `sum` (of P) go on from tile to tile,
  // and what was summed up under the old maximum has to be multiplied by `rescale`. After that P is multiplied by the
  // factors.
  void (*softmax_tile)(float* scores, const ScoreTile& tile, float* max, float* sum, float* rescale);
  // S becomes factors∘P with P = exp(scale·S - lse), dP becomes dS = scale·P∘(factors∘dP - delta)
  void (*gradient_tile)(float* scores, float* dp, const ScoreTile& tile, const float* lse, const float* delta);
  // x[i·stride + j] *= factor[j], i < rows, j < columns
  void (*scale_columns)(float* x, int64_t rows, int64_t columns, int64_t stride, const float* factor);
  // out[j·out_stride + i] = (add ? out[j·out_stride + i] : 0) + x[i·stride + j]·factor[j], i < rows, j < columns
  void (*store_transposed)(Floats out, int64_t out_stride, const float* x, int64_t rows, int64_t columns,
                           int64_t stride, const float* factor, bool add);
  // Σ x·y; of one dtype
  float (*dot)(ConstFloats x, ConstFloats y, int64_t n);
};

}  // namespace whisper::cpu
