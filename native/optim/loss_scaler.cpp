// The rules by which the factor falls and rises. Halving and doubling are exact.
#include "optim/loss_scaler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace whisper {
namespace {

constexpr float smallest = std::numeric_limits<float>::min();

void check(const LossScaling& o) {
  const auto positive = [](const char* name, double value) {
    if (!(value >= smallest && value <= std::numeric_limits<float>::max()))
      fail(Code::InvalidArgument, "loss scaling: the ", name, " must be a positive f32, got ", value);
  };
  const auto count = [](const char* name, int value) {
    if (value < 1) fail(Code::InvalidArgument, "loss scaling: the ", name, " must be at least 1, got ", value);
  };
  positive("initial scale", o.initial);
  positive("minimum", o.minimum);
  count("window", o.window);
  count("hysteresis", o.hysteresis);
  if (o.kind == LossScaling::Kind::deepspeed && o.initial < o.minimum)
    fail(Code::InvalidArgument, "loss scaling: the initial scale must be at least the minimum, ", o.minimum, ", got ",
         o.initial);
}

}  // namespace

LossScaler::LossScaler(const LossScaling& options) : options_(options) {
  check(options);
  if (options.kind == LossScaling::Kind::none) return;
  state_ = {.scale = static_cast<float>(options.initial), .hysteresis = options.hysteresis};
}

// Not beyond f32, in either form: DeepSpeed's factor is a Python float, without this end.
void LossScaler::grow() {
  const float doubled = 2 * state_.scale;
  if (std::isfinite(doubled)) state_.scale = doubled;
}

void LossScaler::update(bool overflow) {
  auto& [scale, clean, hysteresis] = state_;
  switch (options_.kind) {
    case LossScaling::Kind::none:
      return;
    case LossScaling::Kind::torch:
      if (overflow) {
        if (scale / 2 < smallest)
          fail(Code::Diverged, "the loss scale fell to ", scale, " and the gradients are still not finite");
        scale /= 2;
        clean = 0;
      } else if (++clean >= options_.window) {
        grow();
        clean = 0;
      }
      return;
    case LossScaling::Kind::deepspeed:
      if (overflow) {
        clean = 0;
        if (hysteresis > 1) {
          --hysteresis;
          return;
        }
        const auto minimum = static_cast<float>(options_.minimum);
        if (scale <= minimum)
          fail(Code::Diverged, "the loss scale is at its minimum, ", minimum, ", and the gradients are not finite");
        scale = std::max(scale / 2, minimum);
        // The first step after an overflow does not count (stable_interval).
      } else if (const int stable = clean++; stable > 0 && stable % options_.window == 0) {
        hysteresis = options_.hysteresis;
        grow();
      }
  }
}

}  // namespace whisper
