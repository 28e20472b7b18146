// One element's update by AdamW, in the CPU's order of operations (cpu/kernels/optimizer.inc): products and sums are
// not fused, so that results are the same bit for bit.
#pragma once
#include <gpu/launch.cuh>

#include "core/adamw_step.h"

namespace whisper::cuda {

GPU_FUNCTION void adamw_update(float& value, float& m, float& v, float g, const AdamwStep& step) {
  m = m + step.beta1_rest * (g - m);  // β1·m + (1 - β1)·g as torch's lerp_ has it
  v = v * step.beta2 + step.beta2_rest * g * g;
  const float move = step.size * m / (sqrtf(v) + step.eps);
  value = (value * step.before - move) * step.after;
}

}  // namespace whisper::cuda
