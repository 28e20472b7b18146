// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::fold(Out, In, int) { fail(Code::DeviceUnavailable, "fold: not written for CUDA"); }

}  // namespace whisper
