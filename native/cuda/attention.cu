// Attention forward, O = dropout(softmax(scale·Q·Kᵀ))·V for each head, never with all probabilities at once.
#include "cuda/attention.h"
#include "cuda/flash_forward.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"

namespace whisper {
namespace cuda {
namespace {

constexpr int copy_threads = 256;

template <class T>
__global__ void __launch_bounds__(copy_threads)
    copy_rows_kernel(RowsOf<T> to, RowsOf<T> from, int64_t n, int64_t width) {
  const int64_t i = int64_t{blockIdx.x} * copy_threads + threadIdx.x;
  if (i < n) to.row(i / width)[i % width] = from.row(i / width)[i % width];
}

template <class T, bool dropped>
void launch_flash(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x) {
  using Tile = FlashForward<dropped>;
  launch(backend.device(), "attention",
         {.x = blocks(size.time, Tile::queries),
          .y = size.heads,
          .z = size.batch,
          .threads = Tile::threads,
          .shared = Tile::shared},
         flash_forward_kernel<T, dropped>, HeadsOf<T>(x.o), x.lse, HeadsOf<const T>(x.q), HeadsOf<const T>(x.k),
         HeadsOf<const T>(x.v), size, DropoutFactors(size.dropout));
}

template <class T>
void attend_flash(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x) {
  if (size.dropout)
    launch_flash<T, true>(backend, size, x);
  else
    launch_flash<T, false>(backend, size, x);
}

// By what there is to be done: here the kernels for other widths and other cards find their place.
void attend(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x) {
  if (size.width == head_width && size.time <= few_queries && !size.dropout) return attend_few(backend, size, x);
  if (size.width == head_width && size.type == DType::F16) return attend_flash<f16>(backend, size, x);
  if (size.width == head_width && size.type == DType::BF16) return attend_flash<bf16>(backend, size, x);
  attend_plain(backend, size, x);
}

}  // namespace

bool aligned_rows(const View& x) {
  const int64_t element = static_cast<int64_t>(size_of(x.dtype));
  const auto aligned = [](int64_t bytes) { return bytes % 16 == 0; };
  return aligned(static_cast<int64_t>(reinterpret_cast<uintptr_t>(x.address))) && aligned(x.row_stride * element) &&
         aligned(x.batch_stride * element);
}

void copy_rows(CudaBackend& backend, const char* op, const View& to, const View& from) {
  const int64_t n = from.shape.size();
  if (n == 0) return;
  typed(from.dtype, [&](auto element) {
    using T = decltype(element);
    launch(backend.device(), op, {.x = blocks(n, copy_threads), .threads = copy_threads}, copy_rows_kernel<T>,
           RowsOf<T>(to), RowsOf<T>(from), n, from.shape.width());
  });
}

Tensor dense_copy(CudaBackend& backend, const char* op, const View& x) {
  Tensor copy = backend.empty(x.shape, x.dtype);
  copy_rows(backend, op, copy, x);
  return copy;
}

}  // namespace cuda

void CudaBackend::attention(Out o, Out lse, In q, In k, In v, int heads, bool causal, Dropout dropout) {
  const Expect op("attention");
  const AttentionSize size(op, "attention", q, k, v, heads, causal, dropout);
  op.strided("o", o, size.batch * size.time, heads * size.width, size.type);
  if (lse) op.flat("lse", lse, size.batch * heads * size.time);
  if (size.batch == 0 || size.time == 0) return;
  const auto aligned = [](auto&... x) { return (cuda::aligned_rows(x) && ...); };
  if (size.width == cuda::head_width && !aligned(o, q, k, v)) {
    const auto dense = [&](const View& x) { return cuda::dense_copy(*this, "attention", x); };
    const Tensor made = empty(o.shape, size.type);
    attention(made, lse, dense(q), dense(k), dense(v), heads, causal, dropout);
    return cuda::copy_rows(*this, "attention", o, made);
  }
  cuda::attend(*this, size, {o, lse.as<float>(), q, k, v});
}

}  // namespace whisper
