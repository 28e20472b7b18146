// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::embed(Out, In, In, In, int) { fail(Code::DeviceUnavailable, "embed: not written for CUDA"); }
void CudaBackend::embed_backward(Acc, Acc, In, In, int) { fail(Code::DeviceUnavailable, "embed_backward: not written for CUDA"); }

}  // namespace whisper
