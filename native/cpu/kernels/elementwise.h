// Kernels over runs of numbers: casts, sums, activations.
#pragma once
#include <cstdint>

#include "core/dropout.h"
#include "cpu/kernels/floats.h"

namespace whisper::cpu {

struct ElementwiseKernels {
  // y = x in another dtype
  void (*cast)(Floats y, ConstFloats x, int64_t n);
  // y = factor·x; y may be x
  void (*multiply)(Floats y, ConstFloats x, float factor, int64_t n);
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
};

}  // namespace whisper::cpu
