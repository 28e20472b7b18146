// The kernels for any machine: vectors of four floats by the compiler's vector extension (SSE2, NEON, or scalars).
#include "cpu/isa/headers.h"

namespace {

struct F {
  static constexpr int width = 4;
  typedef float V __attribute__((vector_size(16)));
  typedef int32_t I __attribute__((vector_size(16)));
  V v;
  static F zero() { return {V{0, 0, 0, 0}}; }
  static F all(float x) { return {V{x, x, x, x}}; }
  static F load(const float* p) {
    V v;
    __builtin_memcpy(&v, p, sizeof v);
    return {v};
  }
  static F load(const float* p, int n) {  // the first n lanes, the rest zero
    V v{0, 0, 0, 0};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return {v};
  }
};
struct M {  // a lane is all ones or all zeros
  F::I v;
};

typedef uint64_t L __attribute__((vector_size(16)));
// The products of the lower halves of the lanes.
inline L multiply_low(L a, L b) { return (a & uint64_t{0xffffffff}) * (b & uint64_t{0xffffffff}); }

using whisper::bf16;
using whisper::f16;
inline F load(const f16* p, int n) {  // the first n lanes, the rest zero
  F a = F::zero();
  for (int i = 0; i < n; ++i) a.v[i] = whisper::from_f16(p[i].bits);
  return a;
}
inline F load(const bf16* p, int n) {
  F a = F::zero();
  for (int i = 0; i < n; ++i) a.v[i] = whisper::from_bf16(p[i].bits);
  return a;
}

// Whole vectors: all cases of core/half.h side by side, and a choice among them in each lane.
typedef uint32_t Bits __attribute__((vector_size(16)));
typedef uint16_t Halves __attribute__((vector_size(8)));
inline Bits widen(const void* p) {
  Halves halves;
  __builtin_memcpy(&halves, p, sizeof halves);
  return __builtin_convertvector(halves, Bits);
}
inline void narrow(void* p, Bits bits) {
  const Halves halves = __builtin_convertvector(bits, Halves);
  __builtin_memcpy(p, &halves, sizeof halves);
}
inline F load(const bf16* p) { return {(F::V)(widen(p) << 16)}; }
inline F load(const f16* p) {
  const Bits bits = widen(p), magnitude = bits & 0x7fff;
  const F::I ordered = (F::I)magnitude;
  const Bits subnormal = (Bits)(__builtin_convertvector(ordered, F::V) * 0x1p-24f);
  const Bits normal = (magnitude << 13) + (uint32_t{127 - 15} << 23);
  const Bits infinite = (normal + (uint32_t{127 - 15} << 23)) | ((Bits)(ordered > 0x7c00) & uint32_t{1} << 22);
  const Bits chosen = ordered < 0x400 ? subnormal : ordered < 0x7c00 ? normal : infinite;
  return {(F::V)(chosen | (bits & 0x8000) << 16)};
}
inline void store(bf16* p, F a) {
  const Bits bits = (Bits)a.v, high = bits >> 16, rounded = (bits + 0x7fff + (high & 1)) >> 16;
  narrow(p, (F::I)(bits & 0x7fffffff) > 0x7f800000 ? high | 0x40 : rounded);
}
inline void store(f16* p, F a) {
  const Bits bits = (Bits)a.v, magnitude = bits & 0x7fffffff, rebased = magnitude - (uint32_t{127 - 15} << 23);
  const F::I ordered = (F::I)magnitude;
  // The distance of two neighbours from ½ on is 2^-24, as is that of subnormal halves: the sum is rounded as they are.
  const Bits subnormal = (Bits)((F::V)magnitude + 0.5f) - 0x3f000000;
  const Bits normal = (rebased + 0xfff + (rebased >> 13 & 1)) >> 13, nan = 0x7e00 | (magnitude >> 13 & 0x3ff);
  const Bits infinite = ordered > 0x7f800000 ? nan : Bits{} + 0x7c00;
  const Bits chosen = ordered < 0x38800000 ? subnormal : ordered < 0x477ff000 ? normal : infinite;
  narrow(p, chosen | (bits >> 16 & 0x8000));
}
inline void store(f16* p, F a, int n) {
  for (int i = 0; i < n; ++i) p[i].bits = whisper::to_f16(a.v[i]);
}
inline void store(bf16* p, F a, int n) {
  for (int i = 0; i < n; ++i) p[i].bits = whisper::to_bf16(a.v[i]);
}

inline void store(float* p, F a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
inline void store(float* p, F a, int n) {
  for (int i = 0; i < n; ++i) p[i] = a.v[i];
}
inline F operator+(F a, F b) { return {a.v + b.v}; }
inline F operator-(F a, F b) { return {a.v - b.v}; }
inline F operator*(F a, F b) { return {a.v * b.v}; }
inline F operator/(F a, F b) { return {a.v / b.v}; }
inline F fma(F a, F b, F c) { return {a.v * b.v + c.v}; }   // a·b + c
inline F fnma(F a, F b, F c) { return {c.v - a.v * b.v}; }  // c - a·b
inline F max(F a, F b) { return {a.v > b.v ? a.v : b.v}; }
inline F min(F a, F b) { return {a.v < b.v ? a.v : b.v}; }
inline F sqrt(F a) {
  return {F::V{__builtin_sqrtf(a.v[0]), __builtin_sqrtf(a.v[1]), __builtin_sqrtf(a.v[2]), __builtin_sqrtf(a.v[3])}};
}
inline F abs(F a) { return {(F::V)((F::I)a.v & 0x7fffffff)}; }
inline M operator<(F a, F b) { return {a.v < b.v}; }
inline F select(M m, F yes, F no) { return {(F::V)((m.v & (F::I)yes.v) | (~m.v & (F::I)no.v))}; }
// Adding and taking away 1.5·2²³ leaves the nearest integer of |a| < 2²².
inline F round(F a) {
  const F magic = F::all(12582912.0f);
  return (a + magic) - magic;
}
// a·2ⁿ for an integral n where a and the result are normal: n is added to the exponent of a.
inline F scale_by_power(F a, F n) {
  typedef uint32_t U __attribute__((vector_size(16)));  // wraps around where exp() will not use the result
  return {(F::V)((U)a.v + ((U) __builtin_convertvector(n.v, F::I) << 23))};
}
inline F keep(F a, int n) {  // the first n lanes, the rest zero
  for (int i = n; i < F::width; ++i) a.v[i] = 0;
  return a;
}
inline bool any(M m) { return (m.v[0] | m.v[1] | m.v[2] | m.v[3]) != 0; }
inline float reduce_add(F a) { return (a.v[0] + a.v[1]) + (a.v[2] + a.v[3]); }
inline float reduce_max(F a) {
  const float x = a.v[0] > a.v[1] ? a.v[0] : a.v[1], y = a.v[2] > a.v[3] ? a.v[2] : a.v[3];
  return x > y ? x : y;
}

// 32-bit integers, for the 8-bit codes of optimizer.inc.
struct I {
  F::I v;
  static I all(int x) { return {F::I{x, x, x, x}}; }
};
inline I operator+(I a, I b) { return {a.v + b.v}; }
inline I operator-(I a, I b) { return {a.v - b.v}; }
inline I operator&(I a, I b) { return {a.v & b.v}; }
inline I operator>>(I a, int n) { return {a.v >> n}; }  // of numbers that are not negative
inline M operator<(I a, I b) { return {a.v < b.v}; }
inline I min(I a, I b) { return {a.v < b.v ? a.v : b.v}; }
inline I max(I a, I b) { return {a.v > b.v ? a.v : b.v}; }
inline I min_words(I a, I b) {  // of each unsigned half
  typedef uint16_t Words __attribute__((vector_size(16)));
  const Words x = (Words)a.v, y = (Words)b.v;
  return {(F::I)(x < y ? x : y)};
}
inline I select(M m, I yes, I no) { return {(m.v & yes.v) | (~m.v & no.v)}; }
inline I to_integers(F a) { return {__builtin_convertvector(a.v, F::I)}; }  // the nearest, or the next towards zero
// The upper half of the bits of a, which is not negative, times x; of that the upper half.
inline I scale_upper_bits(F a, uint16_t x) { return {((F::I)a.v >> 16) * x >> 16}; }
// Of tables of eight; indices are modulo 8.
inline F look_up(const float* table, I index) {
  return {F::V{table[index.v[0] & 7], table[index.v[1] & 7], table[index.v[2] & 7], table[index.v[3] & 7]}};
}
inline I look_up(const int32_t* table, I index) {
  return {F::I{table[index.v[0] & 7], table[index.v[1] & 7], table[index.v[2] & 7], table[index.v[3] & 7]}};
}
inline void store(int32_t* p, I a) { __builtin_memcpy(p, &a.v, sizeof a.v); }
inline void store_low_bytes(uint8_t* p, I a) {
  for (int i = 0; i < F::width; ++i) p[i] = static_cast<uint8_t>(a.v[i]);
}

class Table256 {
 public:
  static constexpr int count = F::width;  // of numbers that are looked up together

  explicit Table256(const float* table) : table_(table) {}

  // x[j] = table[index[j]]·factor
  void look_up(float* x, const uint8_t* index, F factor) const {
    store(x, F{F::V{table_[index[0]], table_[index[1]], table_[index[2]], table_[index[3]]}} * factor);
  }

 private:
  const float* table_;
};

}  // namespace

#include "cpu/kernels/all.inc"

constinit const whisper::cpu::Kernels whisper::cpu::generic{"generic", TABLES};
