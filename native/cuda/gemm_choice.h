// Which candidate makes a product. WHISPER_TUNE_CUDA_GEMM says how it is chosen:
//
//     rule       (or nothing) by the sizes: few rows by their kernel, large products by warpgroups where the GPU has
//                them, all others by mma.sync. The same product is made by the same kernel on every GPU of a kind, and
//                has the same bits.
//     mma        no warpgroups
//     wgmma      warpgroups wherever they can
//     cublaslt   NVIDIA's library wherever it can
//     fastest    every candidate makes the first product of a kind a few times, into memory of its own, and the fastest
//                makes the others. Candidates add in different orders, so that two runs may differ in the last bits
//                where times are close; and the first step is slow.
#pragma once
#include "cuda/gemm_candidates.h"

namespace whisper::cuda {

enum class GemmChoice { Rule, Mma, Wgmma, Cublaslt, Fastest };

// From the environment, read once. Throws InvalidArgument for a word that is none of these.
GemmChoice gemm_choice();

// Throws DeviceUnavailable, and says why, if the library was asked for and is not there or makes wrong products.
const GemmCandidate& choose_candidate(CudaBackend& backend, const char* op, const Product& product, GemmChoice choice);

}  // namespace whisper::cuda
