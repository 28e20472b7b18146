// The kernels for AVX-512 (F, BW, DQ, VL): vectors of sixteen floats; and products of bf16 for AVX512_BF16 and AMX.
#include "cpu/isa/headers.h"

#if defined(__x86_64__) || defined(_M_X64)
#if defined(__GNUC__) && !defined(__clang__)
// The intrinsics begin from vectors that are undefined on purpose (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include "cpu/isa/target.h"
TARGET_BEGIN("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")

namespace {

struct F {
  static constexpr int width = 16;
  __m512 v;
  static F zero() { return {_mm512_setzero_ps()}; }
  static F all(float x) { return {_mm512_set1_ps(x)}; }
  static F load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static __mmask16 first(int n) { return static_cast<__mmask16>((1u << n) - 1); }
  static F load(const float* p, int n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
};
struct M {
  __mmask16 v;
};

typedef uint64_t L __attribute__((vector_size(64)));
// The products of the lower halves of the lanes.
inline L multiply_low(L a, L b) { return (L)_mm512_mul_epu32((__m512i)a, (__m512i)b); }

using whisper::bf16;
using whisper::f16;
inline F from_bf16(__m256i bits) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))}; }
// As core/half.h: to_bf16. The instruction vcvtneps2bf16 would take subnormal numbers for zero.
inline __m256i to_bf16(F a) {
  const __m512i bits = _mm512_castps_si512(a.v), high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i rounded =
      _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_mask_or_epi32(rounded, nan, high, _mm512_set1_epi32(0x40)));
}
inline __m256i to_f16(F a) { return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline __m256i whole_bits(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline __m256i load_bits(const void* p, int n) { return _mm256_maskz_loadu_epi16(F::first(n), p); }
inline F load(const f16* p) { return {_mm512_cvtph_ps(whole_bits(p))}; }
inline F load(const f16* p, int n) { return {_mm512_cvtph_ps(load_bits(p, n))}; }
inline F load(const bf16* p) { return from_bf16(whole_bits(p)); }
inline F load(const bf16* p, int n) { return from_bf16(load_bits(p, n)); }
inline void store(f16* p, F a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_f16(a)); }
inline void store(f16* p, F a, int n) { _mm256_mask_storeu_epi16(p, F::first(n), to_f16(a)); }
inline void store(bf16* p, F a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_bf16(a)); }
inline void store(bf16* p, F a, int n) { _mm256_mask_storeu_epi16(p, F::first(n), to_bf16(a)); }

inline void store(float* p, F a) { _mm512_storeu_ps(p, a.v); }
inline void store(float* p, F a, int n) { _mm512_mask_storeu_ps(p, F::first(n), a.v); }
inline F operator+(F a, F b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F operator-(F a, F b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F operator*(F a, F b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F operator/(F a, F b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F fma(F a, F b, F c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline F fnma(F a, F b, F c) { return {_mm512_fnmadd_ps(a.v, b.v, c.v)}; }
inline F max(F a, F b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F min(F a, F b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F sqrt(F a) { return {_mm512_sqrt_ps(a.v)}; }
inline F abs(F a) { return {_mm512_abs_ps(a.v)}; }
inline M operator<(F a, F b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline F select(M m, F yes, F no) { return {_mm512_mask_blend_ps(m.v, no.v, yes.v)}; }
inline F round(F a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline F scale_by_power(F a, F n) { return {_mm512_scalef_ps(a.v, n.v)}; }
inline F keep(F a, int n) { return {_mm512_maskz_mov_ps(F::first(n), a.v)}; }
inline bool any(M m) { return m.v != 0; }
inline float reduce_add(F a) { return _mm512_reduce_add_ps(a.v); }
inline float reduce_max(F a) { return _mm512_reduce_max_ps(a.v); }

// 32-bit integers, for the 8-bit codes of optimizer.inc.
struct I {
  __m512i v;
  static I all(int x) { return {_mm512_set1_epi32(x)}; }
};
inline I operator+(I a, I b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I operator-(I a, I b) { return {_mm512_sub_epi32(a.v, b.v)}; }
inline I operator&(I a, I b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I operator>>(I a, int n) { return {_mm512_srli_epi32(a.v, static_cast<unsigned>(n))}; }
inline M operator<(I a, I b) { return {_mm512_cmplt_epi32_mask(a.v, b.v)}; }
inline I min(I a, I b) { return {_mm512_min_epi32(a.v, b.v)}; }
inline I max(I a, I b) { return {_mm512_max_epi32(a.v, b.v)}; }
inline I min_words(I a, I b) { return {_mm512_min_epu16(a.v, b.v)}; }  // of each unsigned half
inline I select(M m, I yes, I no) { return {_mm512_mask_blend_epi32(m.v, no.v, yes.v)}; }
inline I to_integers(F a) { return {_mm512_cvtps_epi32(a.v)}; }  // the nearest, or the next towards zero
// The upper half of the bits of a, which is not negative, times x; of that the upper half.
inline I scale_upper_bits(F a, uint16_t x) {
  return {_mm512_srli_epi32(_mm512_mulhi_epu16(_mm512_castps_si512(a.v), _mm512_set1_epi32(x << 16)), 16)};
}
// Of tables of eight; indices are modulo 8.
inline I look_up(const int32_t* table, I index) {
  const __m256i entries = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(table));
  return {_mm512_permutexvar_epi32(index.v, _mm512_broadcast_i32x8(entries))};
}
inline F look_up(const float* table, I index) {
  return {_mm512_permutexvar_ps(index.v, _mm512_broadcast_f32x8(_mm256_loadu_ps(table)))};
}
inline void store(int32_t* p, I a) { _mm512_storeu_si512(p, a.v); }
inline void store_low_bytes(uint8_t* p, I a) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

// A table of 256 in registers, as its upper and its lower halves: permutations find 64 of them at a time, for 32
// indices at once, and the index's upper bits choose among those. A sixth of the time of gather instructions.
class Table256 {
 public:
  static constexpr int count = 2 * F::width;  // of numbers that are looked up together

  explicit Table256(const float* table) {
    for (int i = 0; i < 8; ++i) {
      const __m512i a = _mm512_loadu_si512(table + 32 * i), b = _mm512_loadu_si512(table + 32 * i + F::width);
      low_[i] = words(a, b);
      high_[i] = words(_mm512_srli_epi32(a, 16), _mm512_srli_epi32(b, 16));
    }
  }

  // x[j] = table[index[j]]·factor
  void look_up(float* x, const uint8_t* index, F factor) const {
    // The order in which unpacking the halves brings all numbers into theirs.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(index));
    const __m512i i = _mm512_cvtepu8_epi16(_mm256_permutevar8x32_epi32(bytes, order));
    const __m512i low = find(low_, i), high = find(high_, i);
    store(x, F{_mm512_castsi512_ps(_mm512_unpacklo_epi16(low, high))} * factor);
    store(x + F::width, F{_mm512_castsi512_ps(_mm512_unpackhi_epi16(low, high))} * factor);
  }

 private:
  static __m512i words(__m512i a, __m512i b) {  // the lower halves of both
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi32_epi16(a)), _mm512_cvtepi32_epi16(b), 1);
  }
  static __m512i find(const __m512i* parts, __m512i index) {
    const auto of_64 = [&](int i) { return _mm512_permutex2var_epi16(parts[2 * i], index, parts[2 * i + 1]); };
    const __mmask32 odd = _mm512_test_epi16_mask(index, _mm512_set1_epi16(64));
    const __mmask32 upper = _mm512_test_epi16_mask(index, _mm512_set1_epi16(128));
    return _mm512_mask_blend_epi16(upper, _mm512_mask_blend_epi16(odd, of_64(0), of_64(1)),
                                   _mm512_mask_blend_epi16(odd, of_64(2), of_64(3)));
  }
  __m512i low_[8], high_[8];
};

}  // namespace

#include "cpu/kernels/all.inc"

TARGET_END

constinit const whisper::cpu::Kernels whisper::cpu::avx512{"avx512", TABLES};

TARGET_BEGIN("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#include "cpu/kernels/decode_pairs.inc"
#include "cpu/kernels/pairs.inc"
#include "cpu/kernels/scores_pairs.inc"
TARGET_END

constinit const whisper::cpu::Kernels whisper::cpu::avx512bf16{
    "avx512bf16", TABLES, &pairs_scores, &pairs_kernels<1>, &pairs_kernels<2>, pairs::dots<ByPairs>};

TARGET_BEGIN("amx-tile,amx-bf16,avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")
#include "cpu/kernels/tile_instructions.inc"
#include "cpu/kernels/tile_panels.inc"
#include "cpu/kernels/tiles.inc"
#include "cpu/kernels/tiles_attention.inc"
TARGET_END

constinit const whisper::cpu::Kernels whisper::cpu::amx{
    "amx", TABLES, &tile_scores, &tile_kernels<1>, &tile_kernels<2>, pairs::dots<ByPairs>};
#endif
