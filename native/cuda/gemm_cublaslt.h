// Products by cuBLASLt, where it is found.
#pragma once
#include <string>

#include "cuda/gemm_candidates.h"

namespace whisper::cuda {

// Empty if the library can be used on this GPU: it is there, and its first product here was that of our own kernel.
// Otherwise why not, in words. Asked for the first time it waits for the GPU.
std::string why_not_cublaslt(CudaBackend& backend);

// The comparison with our own kernel: empty where both make the same.
std::string compare_cublaslt(CudaBackend& backend);

}  // namespace whisper::cuda
