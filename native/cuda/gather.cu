// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::gather(Out, In, In) { fail(Code::DeviceUnavailable, "gather: not written for CUDA"); }

}  // namespace whisper
