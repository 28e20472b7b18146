// How a token is drawn from a row of logits, on every back end alike.
//
// Token i has the weight exp((x[i] - max x) / temperature). The token drawn is the first before which, itself included,
// stands more than u·Σ weights, with u a random number in [0, 1). Weights are f32. A row is cut into 32 shares, whose
// sums are compared in order, in double, to find the share; then, in it, smaller parts or tokens, in order. Back ends
// round weights and the sums of shares each in its own way, so that of one row they draw the same token unless u is
// within some 10⁻⁶ of where one token ends and the next begins.
#pragma once
#include <cstdint>
#include <limits>

#include "core/error.h"
#include "core/random.h"

namespace whisper {

struct Sampling {
  float temperature = 1;
  uint64_t key = 0;   // of the decoding
  uint64_t step = 0;  // of its tokens

  // u of a row: 53 bits of the numbers that the counter `step` of stream `row` gives.
  constexpr double number(uint64_t row) const {
    const std::array<uint32_t, 4> x = Philox(key)(step, row);
    return static_cast<double>(uint64_t{x[0]} << 21 | x[1] >> 11) / 9007199254740992.0;
  }
  void check() const {
    using Limits = std::numeric_limits<float>;
    if (!(temperature >= Limits::min() && temperature <= Limits::max()))
      fail(Code::InvalidArgument, "sample: temperature is ", temperature, ", expected a normal number above 0");
  }
};

// Elements of a share: all 32 together are at least a row, and each is 32 parts of whole runs of 4.
constexpr int64_t row_shares = 32;
constexpr int64_t share_of_row(int64_t width) { return (width + 32 * 128 - 1) / (32 * 128) * 128; }

// The first of n weights that is more than `target`, from which those before it are taken. If none is, since sums were
// rounded, the last weight above 0, and again for the parts of that one.
template <class Weight>
constexpr int64_t pick(int64_t n, double& target, Weight weight) {
  int64_t last = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double w = weight(i);
    if (w > target) return i;
    if (w > 0) last = i;
    target -= w;
  }
  target = std::numeric_limits<double>::infinity();
  return last;
}

}  // namespace whisper
