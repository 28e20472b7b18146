// CUDA's body of cuda/timer.h: marks are events.
#include <cuda_runtime.h>

#include "core/error.h"
#include "cuda/timer.h"

namespace whisper::gpu {

double milliseconds(const Device::Mark& from, const Device::Mark& to) {
  float elapsed = 0;
  const cudaError_t error =
      cudaEventElapsedTime(&elapsed, static_cast<cudaEvent_t>(from.get()), static_cast<cudaEvent_t>(to.get()));
  if (error != cudaSuccess) fail(Code::DeviceFailed, "milliseconds: ", cudaGetErrorString(error));
  return elapsed;
}

}  // namespace whisper::gpu
