// How a kernel says what it found wrong: fault.h.
#pragma once
#include <gpu/launch.cuh>

#include "cuda/fault.h"

namespace whisper::cuda {

// Only the first to report is heard.
template <class... Numbers>
GPU_FUNCTION void report(Fault* fault, FaultKind kind, Numbers... numbers) {
  static_assert(sizeof...(numbers) <= sizeof Fault::numbers / sizeof(int32_t));
  if (atomicCAS(&fault->kind, static_cast<int>(FaultKind::none), static_cast<int>(kind)) != 0) return;
  int i = 0;
  ((fault->numbers[i++] = static_cast<int32_t>(numbers)), ...);
}

}  // namespace whisper::cuda
