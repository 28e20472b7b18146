// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::attention(Out, Out, In, In, In, int, bool, Dropout) { fail(Code::DeviceUnavailable, "attention: not written for CUDA"); }

}  // namespace whisper
