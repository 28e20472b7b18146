// Kernels over one row at a time: layer norm and the choice of the next token.
#pragma once
#include <cstdint>

#include "cpu/kernels/floats.h"

namespace whisper::cpu {

struct RowMaximum {
  int64_t index;  // of the largest x + mask; the lowest wins a tie, a NaN beats all
  float logprob;  // log of its softmax; NaN where no softmax exists (a NaN, all -∞)
};

struct RowKernels {
  // y = (x - mean)·rstd·weight + bias
  void (*layernorm)(Floats y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                    int64_t width);
  // dx += rstd·(ĝ - mean(ĝ) - x̂·mean(ĝ·x̂)), ĝ = dy·weight
  void (*layernorm_dx)(float* dx, ConstFloats dy, const float* x, float mean, float rstd, const float* weight,
                       int64_t width);
  // dweight += dy·x̂,  dbias += dy; either may be null
  void (*layernorm_dweight)(float* dweight, float* dbias, ConstFloats dy, const float* x, float mean, float rstd,
                            int64_t width);
  // mask may be null
  RowMaximum (*argmax)(const float* x, const float* mask, int64_t width);
  // Σ exp((x + mask - top) / temperature); mask may be null
  float (*sum_of_weights)(const float* x, const float* mask, float top, float temperature, int64_t width);
};

}  // namespace whisper::cpu
