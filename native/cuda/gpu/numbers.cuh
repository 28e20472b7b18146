// Numbers as they are stored and in f32, wide loads and stores, and the fast functions that kernels use.
#pragma once
#include <gpu/launch.cuh>

namespace whisper::gpu {

GPU_FUNCTION float to_float(float x) { return x; }
GPU_FUNCTION float to_float(f16 x) { return __half2float(__ushort_as_half(x.bits)); }
GPU_FUNCTION float to_float(bf16 x) { return __uint_as_float(static_cast<uint32_t>(x.bits) << 16); }

// To nearest, ties to even.
GPU_FUNCTION void store(float* to, float x) { *to = x; }
GPU_FUNCTION void store(f16* to, float x) { to->bits = __half_as_ushort(__float2half_rn(x)); }
GPU_FUNCTION void store(bf16* to, float x) { to->bits = __bfloat16_as_ushort(__float2bfloat16_rn(x)); }

// x as an element of type T has it.
template <class T>
GPU_FUNCTION float rounded(float x) {
  T stored;
  store(&stored, x);
  return to_float(stored);
}

// Two 16-bit floats in one register, the first in its lower half: operands of the matrix instructions.
template <class T>
GPU_FUNCTION uint32_t pack(float low, float high);
template <>
GPU_FUNCTION uint32_t pack<f16>(float low, float high) {  // one instruction, as two conversions are not
  const __half2 pair = __floats2half2_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}
template <>
GPU_FUNCTION uint32_t pack<bf16>(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}
template <class T>
GPU_FUNCTION float2 unpack(uint32_t pair) {
  const T low{static_cast<uint16_t>(pair)}, high{static_cast<uint16_t>(pair >> 16)};
  return {to_float(low), to_float(high)};
}

// Aligned to their size.
GPU_FUNCTION uint4 load16(const void* from) { return *static_cast<const uint4*>(from); }
GPU_FUNCTION uint2 load8(const void* from) { return *static_cast<const uint2*>(from); }
GPU_FUNCTION uint32_t load4(const void* from) { return *static_cast<const uint32_t*>(from); }
GPU_FUNCTION void store16(void* to, uint4 x) { *static_cast<uint4*>(to) = x; }
GPU_FUNCTION void store8(void* to, uint2 x) { *static_cast<uint2*>(to) = x; }
GPU_FUNCTION void store4(void* to, uint32_t x) { *static_cast<uint32_t*>(to) = x; }

// Some ulp from exact, and 0 below the normal numbers: for softmax and GELU, never for sums that have to agree to the
// last bit. exp2f() would care for denormals with four instructions in the place of one.
GPU_FUNCTION float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
GPU_FUNCTION float fast_exp(float x) { return __expf(x); }
GPU_FUNCTION float fast_reciprocal(float x) { return __fdividef(1.0f, x); }

GPU_FUNCTION float reciprocal_sqrt(float x) { return rsqrtf(x); }

}  // namespace whisper::gpu
