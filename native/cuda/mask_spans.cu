// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::mask_spans(Acc, In) { fail(Code::DeviceUnavailable, "mask_spans: not written for CUDA"); }

}  // namespace whisper
