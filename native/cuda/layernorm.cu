// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::layernorm(Out, Out, Out, In, In, In) { fail(Code::DeviceUnavailable, "layernorm: not written for CUDA"); }
void CudaBackend::layernorm_backward(Acc, Acc, Acc, In, In, In, In, In) { fail(Code::DeviceUnavailable, "layernorm_backward: not written for CUDA"); }

}  // namespace whisper
