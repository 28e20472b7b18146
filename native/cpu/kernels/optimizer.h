// Kernels of the optimizers and of the 8-bit code of moments.
#pragma once
#include <cstdint>

#include "core/adamw_step.h"

namespace whisper::cpu {

struct OptimizerKernels {
  // One update of value, m and v with the gradient scale·grad. The same bits for every instruction set.
  void (*adamw)(float* value, float* m, float* v, const float* grad, int64_t n, float scale, const AdamwStep& step);
  // The same for moments in 8-bit code; each absmax belongs to a block of code_block elements from the first on.
  void (*adamw_8bit)(float* value, uint8_t* m, uint8_t* v, float* m_absmax, float* v_absmax, const float* grad,
                     int64_t n, float scale, const AdamwStep& step, bool guard);
  // x = map[code]·absmax of the block;  map [256]
  void (*decode)(float* x, const uint8_t* codes, int64_t n, int64_t block, const float* absmax, const float* map);
  // One block of up to code_block elements to code; returns its absmax.
  float (*encode)(uint8_t* codes, const float* x, int64_t n, bool is_signed);

  // Of a matrix of squares (scale·grad)²: rows = its sums over a row, columns += its sums over a column.
  void (*square_sums)(float* rows, float* columns, const float* grad, int64_t height, int64_t width, float scale);
  // Σ (grad·factors)²
  float (*scaled_square_sum)(const float* grad, const float* factors, int64_t n);
  // value = value - decay·value - size·grad·factors
  void (*adafactor)(float* value, const float* grad, const float* factors, int64_t n, float size, float decay);

  // value -= lr·(scale·grad + decay·value)
  void (*sgd)(float* value, const float* grad, int64_t n, float scale, float lr, float decay);
};

}  // namespace whisper::cpu
