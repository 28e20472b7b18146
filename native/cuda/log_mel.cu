// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::log_mel(Out, In) { fail(Code::DeviceUnavailable, "log_mel: not written for CUDA"); }

}  // namespace whisper
