// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::dropout(Out, In, Dropout) { fail(Code::DeviceUnavailable, "dropout: not written for CUDA"); }

}  // namespace whisper
