// See products.h. With AVX2 and F16C where the processor has them, else in plain C++ with the same result.
#include "products.h"

#include <immintrin.h>

#include <cmath>
#include <cstring>

#include "core/half.h"

namespace whisper::emulator {
namespace {

// Lane 4g + t has of A rows g and g + 8 at columns 2t, 2t + 1 and 2t + 8, 2t + 9, so four lanes have one register each
// of half a row; and so of B.
struct Halves {
  alignas(16) uint32_t a[16][2][4], b[8][2][4];  // row, half of k, pair
};

Halves gather(const Registers (&lanes)[32]) {
  Halves all;
  for (int g = 0; g < 8; ++g)
    for (int t = 0; t < 4; ++t) {
      const Registers& lane = lanes[4 * g + t];
      all.a[g][0][t] = lane.a[0];
      all.a[g + 8][0][t] = lane.a[1];
      all.a[g][1][t] = lane.a[2];
      all.a[g + 8][1][t] = lane.a[3];
      all.b[g][0][t] = lane.b0;
      all.b[g][1][t] = lane.b1;
    }
  return all;
}

// sums[16][8] to the lanes: lane 4g + t has rows g and g + 8 at columns 2t and 2t + 1.
void add_to_lanes(const Registers (&lanes)[32], const float (&sums)[16][8]) {
  for (int g = 0; g < 8; ++g)
    for (int t = 0; t < 4; ++t) {
      float* const d = lanes[4 * g + t].d;
      d[0] += sums[g][2 * t];
      d[1] += sums[g][2 * t + 1];
      d[2] += sums[g + 8][2 * t];
      d[3] += sums[g + 8][2 * t + 1];
    }
}

void multiply_anywhere(const Registers (&lanes)[32], bool bf16) {
  const Halves all = gather(lanes);
  const auto widen = [bf16](const uint32_t(&row)[2][4], float(&wide)[16]) {
    uint16_t bits[16];
    std::memcpy(bits, row, sizeof bits);
    for (int k = 0; k < 16; ++k) wide[k] = bf16 ? from_bf16(bits[k]) : from_f16(bits[k]);
  };
  float a[16][16], b[8][16], sums[16][8];
  for (int i = 0; i < 16; ++i) widen(all.a[i], a[i]);
  for (int j = 0; j < 8; ++j) widen(all.b[j], b[j]);
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 8; ++j) {
      float even = 0, odd = 0;
      for (int k = 0; k < 16; k += 2) {
        even = std::fma(a[i][k], b[j][k], even);
        odd = std::fma(a[i][k + 1], b[j][k + 1], odd);
      }
      sums[i][j] = even + odd;
    }
  add_to_lanes(lanes, sums);
}

#define AVX2 __attribute__((target("avx2,fma,f16c")))

AVX2 inline __m256 widen(const uint32_t (&eight)[4], bool bf16) {
  const __m128i bits = _mm_load_si128(reinterpret_cast<const __m128i*>(eight));
  return bf16 ? _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16)) : _mm256_cvtph_ps(bits);
}

// 8 rows of 8 elements of 32 bits become columns.
AVX2 inline void transpose(__m256 (&rows)[8]) {
  __m256 x[8], y[8];
  for (int i = 0; i < 8; i += 2) {
    x[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    x[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    y[i] = _mm256_shuffle_ps(x[i], x[i + 2], 0x44);
    y[i + 1] = _mm256_shuffle_ps(x[i], x[i + 2], 0xee);
    y[i + 2] = _mm256_shuffle_ps(x[i + 1], x[i + 3], 0x44);
    y[i + 3] = _mm256_shuffle_ps(x[i + 1], x[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm256_permute2f128_ps(y[i], y[i + 4], 0x20);
    rows[i + 4] = _mm256_permute2f128_ps(y[i], y[i + 4], 0x31);
  }
}

AVX2 void multiply_avx2(const Registers (&lanes)[32], bool bf16) {
  const Halves all = gather(lanes);
  alignas(32) float a[16][16], sums[16][8];
  __m256 b[2][8];  // column k of B, for all 8 rows
  for (int i = 0; i < 16; ++i)
    for (int half = 0; half < 2; ++half) _mm256_store_ps(&a[i][8 * half], widen(all.a[i][half], bf16));
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 8; ++j) b[half][j] = widen(all.b[j][half], bf16);
    transpose(b[half]);
  }
  for (int i = 0; i < 16; ++i) {
    __m256 even = _mm256_setzero_ps(), odd = even;
    for (int half = 0; half < 2; ++half)
      for (int k = 0; k < 8; k += 2) {
        even = _mm256_fmadd_ps(_mm256_broadcast_ss(&a[i][8 * half + k]), b[half][k], even);
        odd = _mm256_fmadd_ps(_mm256_broadcast_ss(&a[i][8 * half + k + 1]), b[half][k + 1], odd);
      }
    _mm256_store_ps(sums[i], _mm256_add_ps(even, odd));
  }
  add_to_lanes(lanes, sums);
}

using Multiply = void (*)(const Registers (&)[32], bool);
Multiply best() {
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  return avx2 ? multiply_avx2 : multiply_anywhere;
}

}  // namespace

void multiply(const Registers (&lanes)[32], bool bf16) {
  static const Multiply chosen = best();
  chosen(lanes, bf16);
}

}  // namespace whisper::emulator
