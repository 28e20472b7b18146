// What a product does to its sums, as launches of their own: behind a product that was made in parts, and for the
// products of a library, which knows neither this GELU nor `live`.
#pragma once
#include "cuda/gemm.h"

namespace whisper::cuda {

// C = or += Σ over the slabs, in their order, + bias?, and all else that the product asks for. sums [slabs, m, pitch]
// with pitch = slab_pitch(n); the columns beyond n are not read.
void finish_sums(CudaBackend& backend, const char* op, const Product& product, const float* sums, int64_t slabs);
// Floats of a row of a slab: rows begin at multiples of 16 bytes.
constexpr int64_t slab_pitch(int64_t n) { return (n + 3) / 4 * 4; }

// What `gelu` and `gelu_input` ask for, when C holds the product (with bias and `add`) as it is stored.
void finish_stored(CudaBackend& backend, const char* op, const Product& product);

}  // namespace whisper::cuda
