// The ways to make a product. gemm_choice.h says which is taken.
#pragma once
#include "cuda/device.h"
#include "cuda/gemm.h"

namespace whisper::cuda {

struct GemmCandidate {
  const char* name;
  bool (*supports)(const gpu::Properties&, const Product&);
  void (*run)(CudaBackend&, const char* op, const Product&);
};

// A product of one of the three forms in which kernels are there.
inline bool has_form(const Product& p) { return p.a.direction == Factor::Across || p.b.direction == Factor::Along; }

// With all that a Product asks for, on every GPU from sm_80. One of the three takes any product of its dtype.
extern const GemmCandidate gemm_few_rows;  // up to 32 rows of C, as in decoding: the weight is read once
extern const GemmCandidate gemm_mma;       // f16 and bf16 on tensor cores
extern const GemmCandidate gemm_f32;       // f32, not rounded on the way

// f16 and bf16, addresses and distances of rows in multiples of 16 bytes, no overlaps, no `live`.
extern const GemmCandidate gemm_wgmma;     // by warpgroups, on sm_90 alone
extern const GemmCandidate gemm_cublaslt;  // by NVIDIA's library, where it is found

}  // namespace whisper::cuda
