// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::sgd(Acc, In, In, double, double, Out) { fail(Code::DeviceUnavailable, "sgd: not written for CUDA"); }

}  // namespace whisper
