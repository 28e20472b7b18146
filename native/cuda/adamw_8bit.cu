// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::adamw_8bit(Acc, Acc, Acc, Acc, Acc, In, In, AdamwHyper, bool, Out) { fail(Code::DeviceUnavailable, "adamw_8bit: not written for CUDA"); }

}  // namespace whisper
