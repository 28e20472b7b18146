// 16-bit floats: conversions to and from f32, exact one way and rounded to nearest, ties to even, the other.
#pragma once
#include <bit>
#include <cstdint>

namespace whisper {

// Elements of tensors in memory. Arithmetic is in f32.
struct f16 {  // IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits
  uint16_t bits;
};
struct bf16 {  // bfloat16: the upper half of an f32
  uint16_t bits;
};

constexpr float from_bf16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// A NaN stays one: it keeps its sign and the upper bits of its payload, and becomes quiet.
constexpr uint16_t to_bf16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// Normal numbers, infinities and NaN only move their fields; a subnormal is fraction · 2^-24. A NaN becomes quiet.
constexpr float from_f16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + 127 - 15, quiet = exponent == 31 && fraction ? 1 << 22 : 0;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13 | quiet);
}

// As the instruction vcvtps2ph does it: 65520 and above becomes infinity, 2^-25 and below zero.
constexpr uint16_t to_f16(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x), magnitude = bits & 0x7fffffff;
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  if (magnitude > 0x7f800000) return sign | 0x7e00 | (magnitude >> 13 & 0x3ff);
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {  // normal: 2^-14 and above
    const uint32_t rebased = magnitude - (uint32_t{127 - 15} << 23);
    return static_cast<uint16_t>(sign | (rebased + 0xfff + (rebased >> 13 & 1)) >> 13);
  }
  if (magnitude < 0x33000000) return sign;  // below 2^-25
  // Subnormal: the significand, its leading one written out, moves right until the exponent is that of 2^-24.
  const uint32_t shift = 126 - (magnitude >> 23), significand = (magnitude & 0x7fffff) | 0x800000;
  const uint32_t kept = significand >> shift, rest = significand & ((1u << shift) - 1), half = 1u << (shift - 1);
  return static_cast<uint16_t>(sign | (kept + (rest > half || (rest == half && (kept & 1)) ? 1 : 0)));
}

}  // namespace whisper
