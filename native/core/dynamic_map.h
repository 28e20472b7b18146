// The 256 numbers that a moment's 8-bit code can stand for, times the largest of its block (Dettmers, arXiv:1511.04561;
// bitsandbytes functional.py: create_dynamic_map): seven decades, each with twice as many numbers as the one below it,
// 0 and 1. They are sorted, so the order of codes is that of the numbers.
#pragma once
#include <array>

namespace whisper {

constexpr int code_of_zero(bool is_signed) { return is_signed ? 127 : 0; }

// Signed for Adam's first moment: 127 negative numbers, 0 at 127, 127 positive ones and 1; -1 is not among them.
// Unsigned for its second: 0 at 0, 254 positive numbers and 1.
//
// The same bits as torch's: decade i is split at torch.linspace(0.1, 1, n + 1), which goes from its near end and rounds
// once per point (aten/native/cpu/RangeFactoriesKernel.cpp); products of 24 and 8 bits and their sums are exact in
// double, so that one conversion is that rounding.
constexpr std::array<float, 256> make_dynamic_map(bool is_signed) {
  constexpr float powers[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1};
  const int zero = code_of_zero(is_signed);
  std::array<float, 256> map{};
  map[255] = 1;
  int at = zero + 1;
  for (int i = 0; i < 7; ++i) {
    const int n = 1 << (is_signed ? i : i + 1);
    const float step = (1 - 0.1f) / static_cast<float>(n);
    const auto boundary = [&](int k) {
      return static_cast<float>(k < (n + 1) / 2 ? 0.1f + static_cast<double>(step) * k
                                                : 1 - static_cast<double>(step) * (n - k));
    };
    for (int k = 0; k < n; ++k, ++at) {
      map[at] = powers[i] * ((boundary(k) + boundary(k + 1)) / 2);
      if (is_signed) map[2 * zero - at] = -map[at];
    }
  }
  return map;
}

inline constexpr std::array<float, 256> signed_dynamic_map = make_dynamic_map(true);
inline constexpr std::array<float, 256> unsigned_dynamic_map = make_dynamic_map(false);

}  // namespace whisper
