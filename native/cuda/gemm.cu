// The choice of what makes a product.
#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/gemm.h"
#include "cuda/gemm_choice.h"

namespace whisper::cuda {

void gemm(CudaBackend& backend, const char* op, const Product& p) {
  if (p.m == 0 || p.n == 0) return;
  if (p.m > INT32_MAX / 2 || p.n > INT32_MAX / 2 || p.k > INT32_MAX / 2)
    fail(Code::InvalidArgument, op, ": a product of ", p.m, " x ", p.n, " x ", p.k, " is too large");
  choose_candidate(backend, op, p, gemm_choice()).run(backend, op, p);
}

}  // namespace whisper::cuda
