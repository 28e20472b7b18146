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

namespace whisper::cpu {

constexpr int64_t code_block = 256;  // elements that share an absmax

// The numbers of a map lie on straight lines, one for each decade, so the code of a magnitude a, counted from that of
// zero, is offset + slope·a to the nearest integer. Segment 0 is zero and the lowest decade, segment 7 the number 1.
struct CodeLines {
  static constexpr int segments = 8;
  std::array<float, segments> above{};  // greater magnitudes belong to the next segment
  std::array<float, segments> slope{}, offset{};
  std::array<float, segments> last{};  // code of the segment
  // A line is computed monotonically, and at a middle it is this close to half an integer; so where it is further from
  // one, it is on the same side of it as a is of the middle, and its nearest integer is the nearest code.
  float doubt = 0;
};

// The segment of a magnitude <= 1, or the one below it: the upper 16 bits of an f32 grow as 128 times its logarithm of
// base 2 does, so that a multiple of theirs counts decades; `above` says where the next one begins.
constexpr uint32_t decades_per_bit = 154;  // over 2^16; 128 log₂ 10 = 425.2 = 65536 / 154.1
constexpr int lowest_decade = 32;          // what 1e-7 gives, and least of all: 0 when taken modulo `segments`

template <bool is_signed>
struct CodeMap {
  static constexpr const std::array<float, 256>& values = is_signed ? signed_dynamic_map : unsigned_dynamic_map;
  static constexpr int zero = is_signed ? 127 : 0;

  static constexpr std::array<float, 255> middles = [] {
    std::array<float, 255> middles{};
    for (int i = 0; i < 255; ++i) middles[i] = (values[i] + values[i + 1]) * 0.5f;
    return middles;
  }();

  // The code of y in [-1, 1].
  static uint8_t nearest(float y) {
    const auto at = std::lower_bound(middles.begin(), middles.end(), y);
    const auto below = static_cast<int>(at - middles.begin());  // middles that y is greater than
    const int code = at != middles.end() && *at == y ? below + (below & 1) : below;
    return static_cast<uint8_t>(is_signed && y < 0 ? std::min(code, zero - 1) : code);
  }

  static constexpr CodeLines lines = [] {
    CodeLines lines;
    double doubt = 0;
    for (int s = 0; s < CodeLines::segments; ++s) {
      const auto first_of_decade = [](int i) { return is_signed ? 1 << i : (2 << i) - 1; };
      const int top = 255 - zero;
      const int first = s == 0 ? 0 : s == 7 ? top : first_of_decade(s);
      const int last = s == 7 ? top : s == 6 ? top - 1 : first_of_decade(s + 1) - 1;
      const auto middle = [](int code) { return static_cast<double>(middles[zero + code]); };
      // Through the first and the last middle; through the only one with the slope of its neighbours.
      double slope = 0;
      if (last - first >= 2) slope = (last - 1 - first) / (middle(last - 1) - middle(first));
      if (last - first == 1) slope = 1 / (static_cast<double>(values[zero + last]) - values[zero + first]);
      lines.slope[s] = static_cast<float>(slope);
      lines.offset[s] = static_cast<float>(last == first ? first : first + 0.5 - slope * middle(first));
      lines.last[s] = static_cast<float>(last);
      for (int code = first; code < last; ++code) {
        const double error = lines.offset[s] + lines.slope[s] * middle(code) - (code + 0.5);
        doubt = std::max({doubt, error, -error});
      }
      // At the middle itself the even code: the next segment's begins at the middle or right after it.
      const float end = last == top ? std::numeric_limits<float>::max() : middles[zero + last];
      const bool next_is_even = (zero + last + 1) % 2 == 0;
      lines.above[s] = std::bit_cast<float>(std::bit_cast<uint32_t>(end) - (last < top && next_is_even ? 1 : 0));
    }
    // Two roundings, or one where multiply-add is fused, of numbers below 256.
    lines.doubt = static_cast<float>(doubt + 0x1p-16);
    return lines;
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
  static_assert(decades_fit);
};

}  // namespace whisper::cpu
