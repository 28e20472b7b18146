// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::linear(Out, In, In, In) { fail(Code::DeviceUnavailable, "linear: not written for CUDA"); }
void CudaBackend::linear_backward(Out, Acc, Acc, In, In, In, bool) { fail(Code::DeviceUnavailable, "linear_backward: not written for CUDA"); }

}  // namespace whisper
