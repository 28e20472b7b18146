// Kernels that do nothing but the arithmetic of products, on numbers that stay in registers: the most a core can do.
#pragma once
#include <cstdint>

namespace whisper::cpu {

struct RoofKernel {
  int64_t factors;  // that one call works on, of the dtype of the product
  int64_t sums;     // floats that it leaves, so that nothing is left out
  int64_t flops;    // of a round
  void (*run)(float* sums, const void* factors, int64_t rounds);
};

}  // namespace whisper::cpu
