// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::adafactor(Acc, Acc, Acc, In, In, AdafactorHyper, Out) { fail(Code::DeviceUnavailable, "adafactor: not written for CUDA"); }

}  // namespace whisper
