// What the AdamWs work out once per step, in double.
#pragma once
#include <cmath>

#include "core/error.h"
#include "core/hyperparameters.h"

namespace whisper {

// What they multiply by. Theirs is one formula, p = (p·before - size·m / (√v + eps))·after, for a correction of √v may
// as well be of eps and of what is above.
struct AdamwStep {
  float before, after;  // 1 - lr·decay where the weights decay, 1 at the other place
  float beta1_rest;     // 1 - β1
  float beta2;
  float beta2_rest;  // 1 - β2
  float size;        // lr·√(1 - β2^t) / (1 - β1^t)
  float eps;         // torch: eps·√(1 - β2^t)
};

// In torch's order of operations the weights decay first and √v is corrected for its start before eps is added; in
// transformers' they decay last, and eps is added to √v as it is. Throws InvalidArgument for a step before the first.
inline AdamwStep adamw_step(const char* op, const AdamwHyper& hyper, bool torch_order) {
  const auto [lr, beta1, beta2, eps, decay, t] = hyper;
  if (t < 1) fail(Code::InvalidArgument, op, ": t is ", t, ", expected 1 for the first step");
  const double correction = 1 - std::pow(beta1, t), root = std::sqrt(1 - std::pow(beta2, t));
  const auto keep = static_cast<float>(1 - lr * decay);
  return {.before = torch_order ? keep : 1,
          .after = torch_order ? 1 : keep,
          .beta1_rest = static_cast<float>(1 - beta1),
          .beta2 = static_cast<float>(beta2),
          .beta2_rest = static_cast<float>(1 - beta2),
          .size = static_cast<float>(lr * root / correction),
          .eps = static_cast<float>(torch_order ? eps * root : eps)};
}

}  // namespace whisper
