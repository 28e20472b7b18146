// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::gelu(Out, In) { fail(Code::DeviceUnavailable, "gelu: not written for CUDA"); }
void CudaBackend::gelu_backward(Out, In, In) { fail(Code::DeviceUnavailable, "gelu_backward: not written for CUDA"); }

}  // namespace whisper
