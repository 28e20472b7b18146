// Unwritten.
#include "cuda/gemm.h"

#include "core/error.h"

namespace whisper::cuda {

void gemm(CudaBackend&, const char* op, const Product&) { fail(Code::DeviceUnavailable, op, ": no products on CUDA"); }

void add_column_sums(CudaBackend&, const char* op, float*, const Rows&, int64_t, int64_t) {
  fail(Code::DeviceUnavailable, op, ": no sums of columns on CUDA");
}

}  // namespace whisper::cuda
