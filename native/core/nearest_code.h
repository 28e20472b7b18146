// The nearest code of a dynamic map (core/dynamic_map.h): the rule, and the constants by which kernels find it without
// a search.
//
// The rule is that of bitsandbytes (csrc/kernels.cu: dQuantize): y is compared with the middles between neighbours,
// each rounded to f32; at a middle the even code is taken. And of the optimizer's kernel there: a negative y, however
// small, has a negative code.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>

#include "core/dynamic_map.h"

namespace whisper {

constexpr int64_t code_block = 256;  // elements that share an absmax

// The numbers of a map lie on straight lines, one for each decade, so the code of a magnitude, counted from that of
// zero, is the nearest integer of offset + slope·magnitude. Segment 0 is zero and the lowest decade, segment 7 the
// number 1.
//
// A line gives fixed-point numbers, code · 2^16, to which half of one and `margin` have been added, so that the code is
// in their upper bits. They grow with the magnitude, and at a middle are less than `margin` away from what they should
// be; so where the lower bits are greater than 2·margin, number and magnitude are on the same side of it, and the code
// is right. Else it is in doubt, of one number in seven thousand.
struct CodeLines {
  static constexpr int segments = 8, fraction_bits = 16, margin = 4;
  std::array<float, segments> above{};  // greater magnitudes belong to the next segment
  std::array<float, segments> slope{}, offset{};
  std::array<int32_t, segments> last{};  // the line's for the segment's last code: it is not to exceed this
};

// The segment of a magnitude <= 1, or the one below it: the upper 16 bits of an f32 grow as 128 times its logarithm of
// base 2 does, so that a multiple of theirs counts decades; `above` says where the next one begins.
constexpr uint32_t decades_per_bit = 154;  // over 2^16; 128 log₂ 10 = 425.2 = 65536 / 154.1
constexpr int lowest_decade = 32;          // what 1e-7 gives, and least of all: 0 when taken modulo `segments`

template <bool is_signed>
struct CodeMap {
  static constexpr std::array<float, 256> values = is_signed ? signed_dynamic_map : unsigned_dynamic_map;
  static constexpr int zero = is_signed ? 127 : 0;

  static constexpr std::array<float, 255> middles = [] {
    std::array<float, 255> middles{};
    for (int i = 0; i < 255; ++i) middles[i] = (values[i] + values[i + 1]) * 0.5f;
    return middles;
  }();

  // Of a segment, counted from that of zero; the one past the last belongs to no number.
  static constexpr int first_code(int segment) {
    if (segment == 0) return 0;
    if (segment >= 7) return 255 - zero + segment - 7;
    return is_signed ? 1 << segment : (2 << segment) - 1;
  }
  static constexpr double middle(int code) { return middles[zero + code]; }  // between it and the next

  // The code of y in [-1, 1].
  static uint8_t nearest(float y) {
    const auto at = std::lower_bound(middles.begin(), middles.end(), y);
    const auto below = static_cast<int>(at - middles.begin());  // middles that y is greater than
    const int code = at != middles.end() && *at == y ? below + (below & 1) : below;
    return static_cast<uint8_t>(is_signed && y < 0 ? std::min(code, zero - 1) : code);
  }

  static constexpr CodeLines lines = [] {
    constexpr double one = 1 << CodeLines::fraction_bits, bias = one / 2 + CodeLines::margin;
    CodeLines lines;
    for (int s = 0; s < CodeLines::segments; ++s) {
      const int first = first_code(s), last = first_code(s + 1) - 1;
      // Through the first and the last middle; through the only one with the slope of its neighbours.
      double slope = 0;
      if (last - first >= 2) slope = (last - 1 - first) / (middle(last - 1) - middle(first));
      if (last - first == 1) slope = 1 / (static_cast<double>(values[zero + last]) - values[zero + first]);
      const double offset = last == first ? first : first + 0.5 - slope * middle(first);
      lines.slope[s] = static_cast<float>(slope * one);
      lines.offset[s] = static_cast<float>(offset * one + bias);
      lines.last[s] = static_cast<int32_t>(last * one + bias);
      // At the middle itself the even code: the next segment's begins at the middle or right after it.
      const bool is_top = zero + last == 255, next_is_even = (zero + last + 1) % 2 == 0;
      const float end = is_top ? std::numeric_limits<float>::max() : middles[zero + last];
      lines.above[s] = std::bit_cast<float>(std::bit_cast<uint32_t>(end) - (!is_top && next_is_even ? 1 : 0));
    }
    return lines;
  }();

  // The most that a line is away, at a middle, from half an integer.
  static constexpr double error = [] {
    double error = 0;
    for (int s = 0; s < CodeLines::segments; ++s)
      for (int code = first_code(s); code + 1 < first_code(s + 1); ++code) {
        const double line = lines.offset[s] + lines.slope[s] * middle(code) - CodeLines::margin;
        const double exact = (code + 1.0) * (1 << CodeLines::fraction_bits);
        error = std::max({error, line - exact, exact - line});
      }
    return error;
  }();
  // Whether decades_per_bit finds, for every magnitude, its segment or the one below.
  static constexpr bool decades_fit = [] {
    const auto decade = [](float a) {
      return static_cast<int>((std::bit_cast<uint32_t>(a) >> 16) * decades_per_bit >> 16);
    };
    bool fit = decade(1) < lowest_decade + 7;
    for (int s = 0; s < 7; ++s) {
      if (s > 0) fit = fit && decade(lines.above[s - 1]) < lowest_decade + s;  // not past a segment before its end
      fit = fit && decade(lines.above[s]) >= lowest_decade + s;                // not two segments below at the end
    }
    return fit;
  }();
};

// Product and sum, below 2^24, are each rounded by at most a half, and what becomes an integer by less than one.
template <bool is_signed>
constexpr bool lines_hold = CodeMap<is_signed>::error + 0.5 + 0.5 + 1 <= CodeLines::margin;
static_assert(lines_hold<true> && lines_hold<false>);
static_assert(CodeMap<true>::decades_fit && CodeMap<false>::decades_fit);

}  // namespace whisper
