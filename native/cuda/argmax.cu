// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::argmax(Out, Out, In, In) { fail(Code::DeviceUnavailable, "argmax: not written for CUDA"); }

}  // namespace whisper
