// The kernels of attention that the two operations choose from. Operands are checked by the operations.
#pragma once
#include "core/attention_size.h"
#include "cuda/cuda_backend.h"

namespace whisper::cuda {

struct AttentionForward {
  Out o;
  float* lse;  // may be null
  In q, k, v;
};
struct AttentionBackward {
  Out dq, dk, dv;
  In d_o, q, k, v;
  const float *lse2, *delta;  // [B, heads, T]: the log-sum-exp times log₂e, and Σ dO∘O
};

constexpr int64_t few_queries = 4;  // up to this many share each key and value that is read

// Heads of 64 and few queries over a long source, as in decoding; no dropout.
void attend_few(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x);
// Heads of any width in any type, without tensor cores.
void attend_plain(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x);
void attend_plain_backward(CudaBackend& backend, const AttentionSize& size, const AttentionBackward& x);

// Whether all rows begin on 16 bytes, as those kernels that take heads of 64 want them.
bool aligned_rows(const View& x);
// A dense copy, which is aligned.
Tensor dense_copy(CudaBackend& backend, const char* op, const View& x);
void copy_rows(CudaBackend& backend, const char* op, const View& to, const View& from);

}  // namespace whisper::cuda
