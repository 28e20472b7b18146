// The loss scalers' rules, as exact sequences of steps: o with an overflow, g without.
#include "optim/loss_scaler.h"

#include <limits>
#include <string>
#include <vector>

#include "test.h"

using namespace whisper;

namespace {

constexpr auto torch = LossScaling::Kind::torch, deepspeed = LossScaling::Kind::deepspeed;

// The factor after each step.
std::vector<float> trace(LossScaler scaler, const std::string& steps) {
  std::vector<float> scales;
  for (char step : steps) {
    scaler.update(step == 'o');
    scales.push_back(scaler.scale());
  }
  return scales;
}

// The factor after the steps is the same when the scaler is another one after every step, with the state of the last.
void check_resumes(const LossScaling& options, const std::string& steps) {
  LossScaler whole(options), last(options);
  for (char step : steps) {
    LossScaler next(options);
    next.resume(last.state());
    next.update(step == 'o');
    whole.update(step == 'o');
    CHECK(next.scale() == whole.scale());
    last = next;
  }
}

}  // namespace

TEST(loss_scaler_of_kind_none_stays_at_one) {
  CHECK(trace(LossScaler({.initial = 8}), "ogogg") == std::vector<float>(5, 1));
}

TEST(loss_scaler_of_torch) {
  const LossScaling options{.kind = torch, .window = 3};
  // Three clean steps in a row double it and start the count anew, as an overflow does.
  const std::vector<float> expected{65536,  65536, 131072, 131072, 65536, 65536, 65536,
                                    131072, 65536, 32768,  32768,  32768, 65536};
  CHECK(LossScaler(options).scale() == 65536);
  CHECK(trace(LossScaler(options),
              "ggggoggg"
              "oo"
              "ggg") == expected);
  check_resumes(options, "ggggogggooggg");
}

TEST(loss_scaler_of_torch_has_no_minimum) {
  CHECK(trace(LossScaler({.kind = torch, .initial = 2}), "ooo") == (std::vector<float>{1, 0.5f, 0.25f}));
  // But for the numbers: below them there would be nothing to divide by.
  LossScaler scaler({.kind = torch, .initial = 0x1p-125});
  scaler.update(true);
  CHECK(scaler.scale() == 0x1p-126f);
  CHECK_THROWS(Diverged, "the loss scale fell to 1.17549e-38", scaler.update(true));
}

TEST(loss_scaler_grows_within_f32) {
  for (const auto kind : {torch, deepspeed}) {
    const LossScaling options{.kind = kind, .initial = 0x1p126, .window = 1};
    const std::vector<float> scales = trace(LossScaler(options), "gggg");
    CHECK(scales.back() == 0x1p127f);
  }
}

TEST(loss_scaler_of_deepspeed) {
  const LossScaling options{.kind = deepspeed, .window = 4, .hysteresis = 2};
  // The first overflow only uses up the hysteresis, which growing gives back. The first step after an overflow counts
  // for nothing.
  const std::string steps =
      "oo"
      "gggg"
      "g"
      "ggg"
      "g"
      "ooo";
  const std::vector<float> expected{65536, 32768, 32768, 32768,  32768,  32768, 65536,
                                    65536, 65536, 65536, 131072, 131072, 65536, 32768};
  CHECK(trace(LossScaler(options), steps) == expected);
  check_resumes(options, steps);
}

TEST(loss_scaler_of_deepspeed_without_hysteresis) {
  const LossScaling options{.kind = deepspeed, .initial = 16, .window = 2, .hysteresis = 1};
  CHECK(trace(LossScaler(options),
              "gggoogg"
              "g") == (std::vector<float>{16, 16, 32, 16, 8, 8, 8, 16}));
}

TEST(loss_scaler_of_deepspeed_ends_at_its_minimum) {
  LossScaler scaler({.kind = deepspeed, .initial = 4, .hysteresis = 2, .minimum = 3});
  scaler.update(true);
  CHECK(scaler.scale() == 4);
  scaler.update(true);
  CHECK(scaler.scale() == 3);
  CHECK_THROWS(Diverged, "the loss scale is at its minimum, 3", scaler.update(true));
}

TEST(loss_scaler_refuses_options_without_sense) {
  CHECK_THROWS(InvalidArgument, "the initial scale must be a positive f32, got 0", LossScaler({.initial = 0}));
  CHECK_THROWS(InvalidArgument, "the initial scale must be a positive f32, got -1", LossScaler({.initial = -1}));
  CHECK_THROWS(InvalidArgument, "got inf", LossScaler({.initial = std::numeric_limits<double>::infinity()}));
  CHECK_THROWS(InvalidArgument, "got nan", LossScaler({.initial = std::numeric_limits<double>::quiet_NaN()}));
  CHECK_THROWS(InvalidArgument, "got 1e+39", LossScaler({.initial = 1e39}));
  CHECK_THROWS(InvalidArgument, "the window must be at least 1, got 0", LossScaler({.window = 0}));
  CHECK_THROWS(InvalidArgument, "the hysteresis must be at least 1, got 0", LossScaler({.hysteresis = 0}));
  CHECK_THROWS(InvalidArgument, "the minimum must be a positive f32, got 0", LossScaler({.minimum = 0}));
  CHECK_THROWS(InvalidArgument, "the initial scale must be at least the minimum, 4, got 2",
               LossScaler({.kind = deepspeed, .initial = 2, .minimum = 4}));
}
