// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::cast(Out, In) { fail(Code::DeviceUnavailable, "cast: not written for CUDA"); }

}  // namespace whisper
