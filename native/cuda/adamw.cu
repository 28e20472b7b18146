// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::adamw(Acc, Acc, Acc, In, In, AdamwHyper, Out) { fail(Code::DeviceUnavailable, "adamw: not written for CUDA"); }
void CudaBackend::adamw_hf(Acc, Acc, Acc, In, In, AdamwHyper, Out) { fail(Code::DeviceUnavailable, "adamw_hf: not written for CUDA"); }

}  // namespace whisper
