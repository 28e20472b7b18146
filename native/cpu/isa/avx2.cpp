// The kernels for AVX2 with FMA and F16C: vectors of eight floats.
#include "cpu/isa/headers.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>

#include "cpu/isa/target.h"
TARGET_BEGIN("avx2,fma,f16c")

namespace {

struct F {
  static constexpr int width = 8;
  __m256 v;
  static F zero() { return {_mm256_setzero_ps()}; }
  static F all(float x) { return {_mm256_set1_ps(x)}; }
  static F load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static __m256i first(int n) {  // a mask of n lanes
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F load(const float* p, int n) { return {_mm256_maskload_ps(p, first(n))}; }
};
struct M {
  __m256 v;
};

typedef uint64_t L __attribute__((vector_size(32)));
// The products of the lower halves of the lanes.
inline L multiply_low(L a, L b) { return (L)_mm256_mul_epu32((__m256i)a, (__m256i)b); }

using whisper::bf16;
using whisper::f16;
inline __m128i load_bits(const void* p, int n) {  // the first n of eight 16-bit numbers, the rest zero
  alignas(16) uint16_t bits[8] = {};
  __builtin_memcpy(bits, p, static_cast<size_t>(n) * 2);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bits));
}
inline void store_bits(void* p, __m128i v, int n) {
  alignas(16) uint16_t bits[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(bits), v);
  __builtin_memcpy(p, bits, static_cast<size_t>(n) * 2);
}
inline __m128i whole_bits(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline F from_bf16(__m128i bits) { return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))}; }
// As core/half.h: to_bf16.
inline __m128i to_bf16(F a) {
  const __m256i bits = _mm256_castps_si256(a.v), high = _mm256_srli_epi32(bits, 16);
  const __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  const __m256i rounded =
      _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q));
  const __m256i y = _mm256_blendv_epi8(rounded, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(y), _mm256_extracti128_si256(y, 1));
}
inline __m128i to_f16(F a) { return _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline F load(const f16* p) { return {_mm256_cvtph_ps(whole_bits(p))}; }
inline F load(const f16* p, int n) { return {_mm256_cvtph_ps(load_bits(p, n))}; }
inline F load(const bf16* p) { return from_bf16(whole_bits(p)); }
inline F load(const bf16* p, int n) { return from_bf16(load_bits(p, n)); }
inline void store(f16* p, F a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_f16(a)); }
inline void store(f16* p, F a, int n) { store_bits(p, to_f16(a), n); }
inline void store(bf16* p, F a) { _mm_storeu_si128(reinterpret_cast<__m128i*>(p), to_bf16(a)); }
inline void store(bf16* p, F a, int n) { store_bits(p, to_bf16(a), n); }

inline void store(float* p, F a) { _mm256_storeu_ps(p, a.v); }
inline void store(float* p, F a, int n) { _mm256_maskstore_ps(p, F::first(n), a.v); }
inline F operator+(F a, F b) { return {_mm256_add_ps(a.v, b.v)}; }
inline F operator-(F a, F b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline F operator*(F a, F b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline F operator/(F a, F b) { return {_mm256_div_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
inline F fnma(F a, F b, F c) { return {_mm256_fnmadd_ps(a.v, b.v, c.v)}; }
inline F max(F a, F b) { return {_mm256_max_ps(a.v, b.v)}; }
inline F min(F a, F b) { return {_mm256_min_ps(a.v, b.v)}; }
inline F sqrt(F a) { return {_mm256_sqrt_ps(a.v)}; }
inline F abs(F a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
inline M operator<(F a, F b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline F select(M m, F yes, F no) { return {_mm256_blendv_ps(no.v, yes.v, m.v)}; }
inline F round(F a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline F scale_by_power(F a, F n) {
  return {
      _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a.v), _mm256_slli_epi32(_mm256_cvtps_epi32(n.v), 23)))};
}
inline F keep(F a, int n) { return {_mm256_and_ps(a.v, _mm256_castsi256_ps(F::first(n)))}; }
inline bool any(M m) { return _mm256_movemask_ps(m.v) != 0; }
inline float reduce_add(F a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
inline float reduce_max(F a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_shuffle_ps(s, s, 1)));
}

// 32-bit integers, for the 8-bit codes of optimizer.inc.
struct I {
  __m256i v;
  static I all(int x) { return {_mm256_set1_epi32(x)}; }
};
inline I operator+(I a, I b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline I operator-(I a, I b) { return {_mm256_sub_epi32(a.v, b.v)}; }
inline I operator&(I a, I b) { return {_mm256_and_si256(a.v, b.v)}; }
inline I operator>>(I a, int n) { return {_mm256_srli_epi32(a.v, n)}; }
inline M operator<(I a, I b) { return {_mm256_castsi256_ps(_mm256_cmpgt_epi32(b.v, a.v))}; }
inline I min(I a, I b) { return {_mm256_min_epi32(a.v, b.v)}; }
inline I max(I a, I b) { return {_mm256_max_epi32(a.v, b.v)}; }
inline I min_words(I a, I b) { return {_mm256_min_epu16(a.v, b.v)}; }  // of each unsigned half
inline I select(M m, I yes, I no) { return {_mm256_blendv_epi8(no.v, yes.v, _mm256_castps_si256(m.v))}; }
inline I to_integers(F a) { return {_mm256_cvtps_epi32(a.v)}; }  // the nearest, or the next towards zero
// The upper half of the bits of a, which is not negative, times x; of that the upper half.
inline I scale_upper_bits(F a, uint16_t x) {
  return {_mm256_srli_epi32(_mm256_mulhi_epu16(_mm256_castps_si256(a.v), _mm256_set1_epi32(x << 16)), 16)};
}
// Of tables of eight; indices are modulo 8.
inline F look_up(const float* table, I index) { return {_mm256_permutevar8x32_ps(_mm256_loadu_ps(table), index.v)}; }
inline I look_up(const int32_t* table, I index) {
  const __m256i entries = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(table));
  return {_mm256_permutevar8x32_epi32(entries, index.v)};
}
inline void store(int32_t* p, I a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), a.v); }
inline void store_low_bytes(uint8_t* p, I a) {
  const __m256i bytes = _mm256_and_si256(a.v, _mm256_set1_epi32(0xff));
  const __m128i pairs = _mm_packus_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(pairs, pairs));
}

class Table256 {
 public:
  static constexpr int count = F::width;  // of numbers that are looked up together

  explicit Table256(const float* table) : table_(table) {}

  // x[j] = table[index[j]]·factor
  void look_up(float* x, const uint8_t* index, F factor) const {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(index));
    store(x, F{_mm256_i32gather_ps(table_, _mm256_cvtepu8_epi32(bytes), 4)} * factor);
  }

 private:
  const float* table_;
};

}  // namespace

#include "cpu/kernels/all.inc"

TARGET_END

constinit const whisper::cpu::Kernels whisper::cpu::avx2{"avx2", TABLES};
#endif
