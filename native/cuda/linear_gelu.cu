// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::linear_gelu(Out, Out, In, In, In) { fail(Code::DeviceUnavailable, "linear_gelu: not written for CUDA"); }
void CudaBackend::linear_gelu_backward(Out, In, In, In) { fail(Code::DeviceUnavailable, "linear_gelu_backward: not written for CUDA"); }

}  // namespace whisper
