// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::norm(Out, In) { fail(Code::DeviceUnavailable, "norm: not written for CUDA"); }
void CudaBackend::clip_scale(Out, In, In, float, float) { fail(Code::DeviceUnavailable, "clip_scale: not written for CUDA"); }

}  // namespace whisper
