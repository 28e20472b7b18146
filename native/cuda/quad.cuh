// Quads: four neighbours of an array, which a thread takes at once. At a multiple of four elements, and where the host
// found the array aligned for it (`wide`), that is one access; else, and at the array's end, one for each element.
#pragma once
#include "cuda/vector.cuh"

namespace whisper::cuda {

constexpr int quad = 4;

// On the host: whether all of these arrays, those that are there, are aligned for quads.
template <class... T>
bool wide(const T*... arrays) {
  return (aligned(arrays, quad) && ...);
}

// Elements i to i + 3 of an array of n, zero beyond its end.
template <class T>
GPU_FUNCTION void load_quad(float (&x)[quad], const T* from, int64_t i, int64_t n, bool wide) {
  if (wide && i + quad <= n) return load_run<quad>(x, from + i);
#pragma unroll
  for (int j = 0; j < quad; ++j) x[j] = i + j < n ? gpu::to_float(from[i + j]) : 0;
}
template <class T>
GPU_FUNCTION void store_quad(T* to, const float (&x)[quad], int64_t i, int64_t n, bool wide) {
  if (wide && i + quad <= n) return store_run<quad>(to + i, x);
#pragma unroll
  for (int j = 0; j < quad; ++j)
    if (i + j < n) gpu::store(to + i + j, x[j]);
}

// The same of bytes; those beyond the end are `filler`.
GPU_FUNCTION void load_quad(uint8_t (&x)[quad], const uint8_t* from, int64_t i, int64_t n, bool wide, uint8_t filler) {
  if (wide && i + quad <= n) {
    const uint32_t word = gpu::load4(from + i);
#pragma unroll
    for (int j = 0; j < quad; ++j) x[j] = static_cast<uint8_t>(word >> 8 * j);
    return;
  }
#pragma unroll
  for (int j = 0; j < quad; ++j) x[j] = i + j < n ? from[i + j] : filler;
}
GPU_FUNCTION void store_quad(uint8_t* to, const uint8_t (&x)[quad], int64_t i, int64_t n, bool wide) {
  if (wide && i + quad <= n) {
    uint32_t word = 0;
#pragma unroll
    for (int j = 0; j < quad; ++j) word |= static_cast<uint32_t>(x[j]) << 8 * j;
    return gpu::store4(to + i, word);
  }
#pragma unroll
  for (int j = 0; j < quad; ++j)
    if (i + j < n) to[i + j] = x[j];
}

}  // namespace whisper::cuda
