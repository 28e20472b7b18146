// Loss scaling: in f16 small gradients would vanish, so the loss is multiplied before the backward pass and the
// gradients divided before the update. The factor follows what the gradients bear (Micikevicius et al.,
// arXiv:1710.03740).
#pragma once
#include <utility>

#include "core/spellings.h"

namespace whisper {

struct LossScaling {
  enum class Kind {
    none,       // the factor is 1
    torch,      // torch.amp.GradScaler (torch/amp/grad_scaler.py; aten/native/cuda/AmpKernels.cu: amp_update_scale)
    deepspeed,  // DeepSpeed's DynamicLossScaler (deepspeed/runtime/fp16/loss_scaler.py)
  };
  Kind kind = Kind::none;
  double initial = 65536;
  int window = 2000;   // steps without overflow after which the factor doubles; DeepSpeed's default is 1000
  int hysteresis = 2;  // deepspeed: overflows before the factor is halved
  double minimum = 1;  // deepspeed: an overflow at this factor is an error
};
template <>
struct Spellings<LossScaling::Kind> {
  static constexpr std::pair<const char*, LossScaling::Kind> list[] = {{"none", LossScaling::Kind::none},
                                                                       {"torch", LossScaling::Kind::torch},
                                                                       {"deepspeed", LossScaling::Kind::deepspeed}};
};

class LossScaler {
 public:
  // Throws InvalidArgument for options that make no sense.
  explicit LossScaler(const LossScaling& options);

  LossScaling::Kind kind() const { return options_.kind; }
  float scale() const { return state_.scale; }

  // After each step. Throws Diverged on an overflow when the factor cannot fall: at DeepSpeed's minimum, and in torch's
  // form, which has none, at the smallest normal f32.
  void update(bool overflow);

  // What a resumed run goes on with.
  struct State {
    float scale = 1;
    int clean = 0;       // torch: steps since the last overflow or doubling; deepspeed: since the last overflow
    int hysteresis = 0;  // deepspeed: the overflow after which the factor is halved counts it down to 1
  };
  const State& state() const { return state_; }
  void resume(const State& state) { state_ = state; }

 private:
  void grow();

  LossScaling options_;
  State state_;
};

}  // namespace whisper
