// Unwritten.
#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper {

void CudaBackend::dequantize(Out, In, In, In, int) { fail(Code::DeviceUnavailable, "dequantize: not written for CUDA"); }
void CudaBackend::quantize(Out, Out, In, bool) { fail(Code::DeviceUnavailable, "quantize: not written for CUDA"); }

}  // namespace whisper
