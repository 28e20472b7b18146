// The choice of what makes a product.
#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/gemm.h"
#include "cuda/gemm_candidates.h"

namespace whisper::cuda {

void gemm(CudaBackend& backend, const char* op, const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.m > INT32_MAX / 2 || p.n > INT32_MAX / 2 || p.k > INT32_MAX / 2)
    fail(Code::InvalidArgument, op, ": a product of ", p.m, " x ", p.n, " x ", p.k, " is too large");
  for (const GemmCandidate* candidate : {&gemm_few_rows, &gemm_mma, &gemm_f32})
    if (candidate->supports(backend.device().properties(), p)) return candidate->run(backend, op, p);
  fail(Code::InvalidArgument, op, ": no kernel makes a product of this form and of ", name_of(p.a.rows.dtype));
}

}  // namespace whisper::cuda
