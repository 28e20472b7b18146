// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::attention_backward(Out, Out, Out, In, In, In, In, In, In, int, bool, Dropout) { fail(Code::DeviceUnavailable, "attention_backward: not written for CUDA"); }

}  // namespace whisper
