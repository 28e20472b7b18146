// The classifier: tied projection and softmax cross-entropy with both gradients, over chunks of rows that have a label.
//
//     logits = x·Wᵀ          G = scale·∂loss/∂logits, in place of the logits          dx = G·W          dW += Gᵀ·x
//
// Logits and G are f32 whatever x and W are.
#include <algorithm>
#include <cstring>

#include "core/expect.h"
#include "core/workspace.h"
#include "cpu/cpu_backend.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using cpu::Factor;

// Rows of the index, gathered one behind the other, or scattered to where the index has them.
void copy_rows(void* to, const void* from, const int32_t* index, bool scatter, int64_t rows, int64_t row_bytes) {
  cpu::parallel_for(rows, std::max<int64_t>(1, (1 << 18) / row_bytes), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      std::memcpy(static_cast<std::byte*>(to) + (scatter ? index[r] : r) * row_bytes,
                  static_cast<const std::byte*>(from) + (scatter ? r : index[r]) * row_bytes,
                  static_cast<size_t>(row_bytes));
  });
}

}  // namespace

void CpuBackend::classifier(Out loss, Out dx, Acc dweight, In x, In labels, In weight, float scale, float smoothing) {
  const Expect op("classifier");
  const int64_t rows = x.shape.rows(), width = x.shape.width(), vocab = weight.shape.rows();
  const DType type = op.compute("x", x);
  op.dense("weight", weight, vocab, width, type);
  op.dense("x", x, rows, width, type);
  op.flat("labels", labels, rows, DType::I32);
  op.flat("loss", loss, rows);
  if (dx) op.dense("dx", dx, rows, width, type);
  if (dweight) op.dense("dweight", dweight, vocab, width);
  const auto row_bytes = width * static_cast<int64_t>(size_of(type));
  thread_local cpu::Scratch lists;
  int32_t* const labelled = lists.take<int32_t>(rows);
  int64_t count = 0;
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t label = labels.as<int32_t>()[r];
    if (label >= vocab)
      fail(Code::InvalidArgument, "classifier: label ", label, " of row ", r, " is not below ", vocab);
    loss.as<float>()[r] = 0;
    if (label >= 0)
      labelled[count++] = static_cast<int32_t>(r);
    else if (dx)
      std::memset(cpu::row_of(dx, r).address, 0, static_cast<size_t>(row_bytes));
  }
  if (count == 0) return;

  const bool gradients = (dx || dweight) && scale != 0;
  const ClassifierChunk space(DeviceKind::cpu, count, vocab, width, type);
  const int64_t chunks = (count + space.rows - 1) / space.rows, chunk = (count + chunks - 1) / chunks;
  const std::shared_ptr<void> memory = allocate(space.bytes());
  auto* const logits = static_cast<float*>(memory.get());
  const cpu::Floats input{static_cast<std::byte*>(memory.get()) + space.logits, type};
  const cpu::Floats gradient = input + space.rows * width;
  const cpu::Rows w{{weight.address, type}, width}, g{logits, vocab}, in{input, width};
  for (int64_t begin = 0; begin < count; begin += chunk) {
    const int64_t n = std::min(chunk, count - begin);
    const int32_t* const index = labelled + begin;
    copy_rows(input.address, x.address, index, false, n, row_bytes);
    cpu::gemm(products(type), {n, vocab, width, {in, Factor::Across}, {w, Factor::Across}, {logits, vocab}});
    cpu::parallel_for(n, std::max<int64_t>(1, (1 << 14) / vocab), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        loss.as<float>()[index[r]] = kernels_.classifier.cross_entropy(
            logits + r * vocab, vocab, labels.as<int32_t>()[index[r]], smoothing, gradients ? scale : 0.0f);
    });
    if (dx) {
      if (gradients)
        cpu::gemm(products(type), {n, width, vocab, {g, Factor::Across}, {w, Factor::Along}, {gradient, width}});
      else
        std::memset(gradient.address, 0, static_cast<size_t>(n * row_bytes));
      copy_rows(dx.address, gradient.address, index, true, n, row_bytes);
    }
    if (dweight && gradients)
      cpu::gemm(
          products(type),
          {vocab, width, n, {g, Factor::Along}, {in, Factor::Along}, {dweight.as<float>(), width}, nullptr, true});
  }
}

}  // namespace whisper
