// GELU and its derivative for one number, the same to the last bit in every kernel that needs them.
#pragma once
#include <gpu/numbers.cuh>

namespace whisper::cuda {

// The normal distribution: density φ(x) and its integral Φ(x) = ½(1 + erf(x/√2)). Φ(-u) = φ(u)·R(u) for u >= 0 keeps
// Φ accurate far into the lower tail, where 1 + erf would cancel. R is Mills' ratio: (u + 2.5)·R(u) is a polynomial of
// q = (u - 2.5) / (u + 2.5), fitted for the least relative error (1.5e-8) up to u = 13.3, where φ leaves the floats.
struct Normal {
  float density, integral;
};

// For x as an element of T has it: where T has 16 bits, the fast functions are far more exact than what is stored.
template <class T>
GPU_FUNCTION Normal normal(float x) {
  constexpr bool exact = std::is_same_v<T, float>;
  const float u = fabsf(x), t = exact ? 1.0f / (u + 2.5f) : gpu::fast_reciprocal(u + 2.5f), q = fmaf(t, -5.0f, 1.0f);
  const float power = x * x * -0.5f;
  const float density = 0.398942280f * (exact ? expf(power) : gpu::fast_exp(power));
  float p = -0.000390492147f;
  p = fmaf(p, q, -0.000772609434f);
  p = fmaf(p, q, 0.00171511692f);
  p = fmaf(p, q, 0.00631964440f);
  p = fmaf(p, q, -0.00401426898f);
  p = fmaf(p, q, -0.0410723425f);
  p = fmaf(p, q, 0.0231513511f);
  p = fmaf(p, q, 0.330842167f);
  p = fmaf(p, q, -1.08710468f);
  p = fmaf(p, q, 1.77132559f);
  const float lower = density * (p * t);
  return {density, x < 0 ? lower : 1 - lower};
}

// x·Φ(x)
template <class T>
GPU_FUNCTION float gelu(float x) {
  return x * normal<T>(x).integral;
}

// Φ(x) + x·φ(x)
template <class T>
GPU_FUNCTION float gelu_derivative(float x) {
  const Normal at = normal<T>(x);
  return fmaf(x, at.density, at.integral);
}

}  // namespace whisper::cuda
