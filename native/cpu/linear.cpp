// Linear layers: y = x·Wᵀ + b and its gradients.
#include <algorithm>

#include "core/expect.h"
#include "cpu/cpu_backend.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using cpu::Factor;

// Up to this many rows (tokens being decoded) reading the weight is most of the work: it is read once, in place and as
// it is stored, where packing it would have it written and read again.
constexpr int64_t kFewRows = 32;

// Rows of a weight [n, k] that a thread takes at a time: some eighths of few, so that threads end together, and of many
// as much as makes their beginnings and ends cheap.
int64_t few_rows_chunk(int64_t n, int64_t k) {
  constexpr int64_t block = 16, most = int64_t{1} << 17;  // elements
  const auto blocks = [](int64_t rows) { return std::max<int64_t>(1, rows / block) * block; };
  return std::min(blocks(most / k), blocks((n + 7) / 8));
}

void few_rows(const cpu::Kernels& kernels, const Out& y, const In& x, const In& weight, const In& bias) {
  thread_local cpu::Scratch inputs, outputs;
  const int64_t m = x.shape.rows(), n = weight.shape[0], k = weight.shape[1], chunk = few_rows_chunk(n, k);
  const bool direct = y.dtype == DType::F32, pairs = x.dtype == DType::BF16 && kernels.bf16_dots;
  float* const sums = direct ? nullptr : outputs.take<float>(cpu::threads() * m * chunk);
  float* const widened = pairs || x.dtype == DType::F32 ? nullptr : inputs.take<float>(m * k);
  const float* from[kFewRows];
  const bf16* words[kFewRows];
  for (int64_t i = 0; i < m; ++i) {
    if (widened) kernels.elementwise.cast(widened + i * k, cpu::row_of(x, i), k);
    from[i] = widened ? widened + i * k : x.row_of<float>(i);
    words[i] = x.row_of<bf16>(i);
  }
  cpu::parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    const float* const b = bias ? bias.as<float>() + begin : nullptr;
    float* to[kFewRows];
    for (int64_t i = 0; i < m; ++i)
      to[i] = direct ? y.row_of<float>(i) + begin : sums + (cpu::thread_index() * m + i) * chunk;
    if (pairs)
      kernels.bf16_dots(m, end - begin, k, words, weight.row_of<bf16>(begin), b, to);
    else
      kernels.decode.dots(m, end - begin, k, from, cpu::row_of(weight, begin), b, to);
    for (int64_t i = 0; i < m && !direct; ++i) kernels.elementwise.cast(cpu::row_of(y, i) + begin, to[i], end - begin);
  });
}

}  // namespace

void CpuBackend::linear(Out y, In x, In weight, In bias) {
  const Expect op("linear");
  const int64_t m = x.shape.rows(), n = weight.shape.rows(), k = x.shape.width();
  const DType type = op.compute("x", x);
  op.dense("weight", weight, n, k, type);
  op.strided("y", y, m, n, op.compute_or_f32("y", y, type));
  if (bias) op.flat("bias", bias, n);
  if (m <= kFewRows) return few_rows(kernels_, y, x, weight, bias);
  cpu::gemm(products(type), {m,
                             n,
                             k,
                             {cpu::rows_of(x), Factor::Across},
                             {cpu::rows_of(weight), Factor::Across},
                             cpu::rows_of(y),
                             bias ? bias.as<float>() : nullptr});
}

void CpuBackend::linear_backward(Out dx, Acc dweight, Acc dbias, In dy, In x, In weight, bool add) {
  const Expect op("linear_backward");
  const int64_t m = dy.shape.rows(), n = dy.shape.width(), k = dx ? dx.shape.width() : x.shape.width();
  const DType type = op.compute("dy", dy);
  if (dx) {
    op.strided("dx", dx, m, k, op.compute_or_f32("dx", dx, type));
    op.dense("weight", weight, n, k, type);
    cpu::gemm(products(type), {m,
                               k,
                               n,
                               {cpu::rows_of(dy), Factor::Across},
                               {cpu::rows_of(weight), Factor::Along},
                               cpu::rows_of(dx),
                               nullptr,
                               add});
  }
  if (dbias) op.flat("dbias", dbias, n);
  const cpu::GemmKernels& kernels = products(type);
  if (dweight) {
    op.strided("x", x, m, k, type);
    op.dense("dweight", dweight, n, k);
    cpu::gemm(kernels, {.m = n,
                        .n = k,
                        .k = m,
                        .a = {cpu::rows_of(dy), Factor::Along},
                        .b = {cpu::rows_of(x), Factor::Along},
                        .c = {dweight.as<float>(), k},
                        .add = true,
                        .a_sums = dbias.as<float>(),
                        .row_products = &kernels_.row_products});
  } else if (dbias) {
    cpu::add_column_sums(kernels, kernels_.row_products, dbias.as<float>(), cpu::rows_of(dy), m, n);
  }
}

}  // namespace whisper
