// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::classifier(Out, Out, Acc, In, In, In, float, float) { fail(Code::DeviceUnavailable, "classifier: not written for CUDA"); }

}  // namespace whisper
