// Kernels over runs of numbers: activations, sums, the optimizer.
#pragma once
#include <cstdint>

#include "core/dropout.h"
#include "cpu/kernels/floats.h"

namespace whisper::cpu {

// What AdamW multiplies by in a step, worked out once in double.
struct AdamwStep {
  float keep;        // 1 - lr·decay
  float beta1_rest;  // 1 - β1
  float beta2;
  float beta2_rest;  // 1 - β2
  float step_size;   // lr / (1 - β1^t)
  float root;        // √(1 - β2^t)
  float eps;
};

struct ElementwiseKernels {
  // y = x in another dtype
  void (*cast)(Floats y, ConstFloats x, int64_t n);
  // z = x + y; z may be x or y
  void (*add)(float* z, const float* x, ConstFloats y, int64_t n);
  // y = Σ x over `count` runs of the dtype of y, 0 of none
  void (*total)(Floats y, const void* const* x, int count, int64_t n);
  void (*gelu)(Floats y, ConstFloats x, int64_t n);
  // dx = dy·gelu'(x)
  void (*gelu_backward)(Floats dx, ConstFloats dy, ConstFloats x, int64_t n);
  // y = x·factor of elements first, first + 1 … of the dropout (core/dropout.h); first is a multiple of 4. y may be x.
  void (*dropout)(Floats y, ConstFloats x, int64_t n, uint64_t first, const Dropout& dropout);
  // Σ x² in double, in an order that is the same for every instruction set
  double (*sum_of_squares)(const float* x, int64_t n);
  // One AdamW update of value, m and v with the gradient scale·grad
  void (*adamw)(float* value, float* m, float* v, const float* grad, int64_t n, float scale, const AdamwStep& step);
};

}  // namespace whisper::cpu
