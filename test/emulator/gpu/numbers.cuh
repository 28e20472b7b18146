// The emulator's body of native/cuda/gpu/numbers.cuh, where what each is for is said. Wide accesses check alignment.
#pragma once
#include <gpu/launch.cuh>

namespace whisper::gpu {

inline float to_float(float x) { return x; }
inline float to_float(f16 x) { return from_f16(x.bits); }
inline float to_float(bf16 x) { return from_bf16(x.bits); }
inline void store(float* to, float x) { *to = x; }
inline void store(f16* to, float x) { to->bits = to_f16(x); }
inline void store(bf16* to, float x) { to->bits = to_bf16(x); }

template <class T>
float rounded(float x) {
  T stored;
  store(&stored, x);
  return to_float(stored);
}
template <class T>
uint32_t pack(float low, float high) {
  T a, b;
  store(&a, low), store(&b, high);
  return static_cast<uint32_t>(a.bits) | static_cast<uint32_t>(b.bits) << 16;
}
template <class T>
float2 unpack(uint32_t pair) {
  return {to_float(T{static_cast<uint16_t>(pair)}), to_float(T{static_cast<uint16_t>(pair >> 16)})};
}

template <class T>
T load_aligned(const void* from, const char* what, emulator::Place place) {
  emulator::check_aligned(from, sizeof(T), what, place);
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <class T>
void store_aligned(void* to, const T& value, const char* what, emulator::Place place) {
  emulator::check_aligned(to, sizeof(T), what, place);
  std::memcpy(to, &value, sizeof value);
}
inline uint4 load16(const void* from, emulator::Place place = emulator::Place::current()) {
  return load_aligned<uint4>(from, "load16", place);
}
inline uint2 load8(const void* from, emulator::Place place = emulator::Place::current()) {
  return load_aligned<uint2>(from, "load8", place);
}
inline uint32_t load4(const void* from, emulator::Place place = emulator::Place::current()) {
  return load_aligned<uint32_t>(from, "load4", place);
}
inline void store16(void* to, uint4 x, emulator::Place place = emulator::Place::current()) {
  store_aligned(to, x, "store16", place);
}
inline void store8(void* to, uint2 x, emulator::Place place = emulator::Place::current()) {
  store_aligned(to, x, "store8", place);
}
inline void store4(void* to, uint32_t x, emulator::Place place = emulator::Place::current()) {
  store_aligned(to, x, "store4", place);
}

inline float fast_exp2(float x) { return std::exp2(x); }
inline float fast_exp(float x) { return std::exp(x); }
inline float fast_reciprocal(float x) { return 1.0f / x; }
inline float reciprocal_sqrt(float x) { return 1.0f / std::sqrt(x); }

}  // namespace whisper::gpu
