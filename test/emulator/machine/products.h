// The product of a tensor core, for a whole warp at once.
#pragma once
#include <cstdint>

namespace whisper::emulator {

// What a lane gives to mma.m16n8k16 (gpu/ptx.cuh says which elements these are): four registers of A, two of B, and
// where its four sums are.
struct Registers {
  float* d;
  const uint32_t* a;
  uint32_t b0, b1;
};

// D += A·Bᵀ. Each sum is that of the products at even steps of k plus that of those at odd steps, each in order and
// fused, and then D: the order of a tensor core is not documented, and no test may depend on it.
void multiply(const Registers (&lanes)[32], bool bf16);

}  // namespace whisper::emulator
