// The inner loops of decoding: a few rows against weights, a query against cached keys and values. What they cost is
// reading those from memory, so that each is read once, in the order in which it lies, as it is stored.
#pragma once
#include <cstdint>

#include "cpu/kernels/floats.h"

namespace whisper::cpu {

struct DecodeKernels {
  // y[i][j] = Σk x[i][k]·w[j·depth + k] + (bias ? bias[j] : 0) for i < m, j < n
  void (*dots)(int64_t m, int64_t n, int64_t depth, const float* const* x, ConstFloats w, const float* bias,
               float* const* y);

  // Attention of one query in all heads over n rows of keys and values, `stride` apart:
  // scores[h·scores_stride + s] = Σi q[h·width + i]·k[s·stride + h·width + i] for h < heads, s < n, i < width
  void (*scores)(float* scores, int64_t scores_stride, const float* q, ConstFloats k, int64_t stride, int64_t n,
                 int64_t heads, int64_t width);
  // scores[s] becomes exp(scale·scores[s]) / Σ for s < n; returns the log of that sum
  float (*softmax)(float* scores, int64_t n, float scale);
  // o[h·width + i] = Σs p[h·p_stride + s]·v[s·stride + h·width + i]
  void (*weighted_sum)(float* o, const float* p, int64_t p_stride, ConstFloats v, int64_t stride, int64_t n,
                       int64_t heads, int64_t width);
};

// As `dots`, for x and w in bf16, where pairs of their products can be added up at once.
using DotsOfBf16 = void (*)(int64_t m, int64_t n, int64_t depth, const bf16* const* x, const bf16* w, const float* bias,
                            float* const* y);

}  // namespace whisper::cpu
