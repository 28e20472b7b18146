// The inner loops of attention around its matrix products (cpu/attention.cpp).
#pragma once
#include <cstdint>

namespace whisper::cpu {

struct AttentionKernels {
  // One query: scores[s] becomes exp(scale·scores[s]) / Σ for s < n; returns the log of that sum.
  float (*softmax)(float* scores, int64_t n, float scale);
  // o[i] = Σs p[s]·v[s·stride + i], i < width
  void (*weighted_sum)(float* o, const float* p, const float* v, int64_t stride, int64_t n, int64_t width);
  // y += a·x
  void (*add_scaled)(float* y, float a, const float* x, int64_t n);
};

}  // namespace whisper::cpu
