// The classifier: tied projection and softmax cross-entropy with both gradients, over chunks of rows that have a label.
//
//     logits = x·Wᵀ          G = scale·∂loss/∂logits, in place of the logits          dx = G·W          dW += Gᵀ·x
#include <algorithm>
#include <cstring>

#include "cpu/cpu_backend.h"
#include "cpu/expect.h"
#include "cpu/gemm.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

using cpu::Factor;
using cpu::Rows;

constexpr int64_t kLogits = 8 << 20;  // in memory at a time: 32 MB, some 160 rows of Whisper's vocabulary

void copy_rows(float* to, const float* from, const int32_t* index, bool scatter, int64_t rows, int64_t width) {
  cpu::parallel_for(rows, std::max<int64_t>(1, (1 << 16) / width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      std::memcpy(to + (scatter ? index[r] : r) * width, from + (scatter ? r : index[r]) * width,
                  width * sizeof(float));
  });
}

}  // namespace

void CpuBackend::classifier(Out loss, Out dx, Acc dweight, In x, In labels, In weight, float scale, float smoothing) {
  const cpu::Expect op("classifier");
  const int64_t rows = x.shape.rows(), width = x.shape.width(), vocab = weight.shape.rows();
  op.dense("x", x, rows, width);
  op.dense("weight", weight, vocab, width);
  op.flat("labels", labels, rows, DType::I32);
  op.flat("loss", loss, rows);
  if (dx) op.dense("dx", dx, rows, width);
  if (dweight) op.dense("dweight", dweight, vocab, width);
  thread_local cpu::Scratch lists, values;
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
      std::memset(dx.as<float>() + r * width, 0, width * sizeof(float));
  }
  if (count == 0) return;

  const bool gradients = (dx || dweight) && scale != 0;
  const int64_t most = std::clamp<int64_t>(kLogits / vocab, 1, count);
  const int64_t chunk = (count + (count + most - 1) / most - 1) / ((count + most - 1) / most);
  float* const logits = values.take<float>(chunk * (vocab + 2 * width));
  float *const input = logits + chunk * vocab, *const gradient = input + chunk * width;
  for (int64_t begin = 0; begin < count; begin += chunk) {
    const int64_t n = std::min(chunk, count - begin);
    const int32_t* const index = labelled + begin;
    copy_rows(input, x.as<float>(), index, false, n, width);
    const Rows g{logits, vocab}, in{input, width}, w{weight.as<float>(), width};
    cpu::gemm(kernels_.gemm, {n, vocab, width, {in, Factor::Across}, {w, Factor::Across}, {logits, vocab}});
    cpu::parallel_for(n, std::max<int64_t>(1, (1 << 14) / vocab), [&](int64_t first, int64_t last) {
      for (int64_t r = first; r < last; ++r)
        loss.as<float>()[index[r]] = kernels_.classifier.cross_entropy(
            logits + r * vocab, vocab, labels.as<int32_t>()[index[r]], smoothing, gradients ? scale : 0.0f);
    });
    if (dx) {
      if (gradients)
        cpu::gemm(kernels_.gemm, {n, width, vocab, {g, Factor::Across}, {w, Factor::Along}, {gradient, width}});
      else
        std::memset(gradient, 0, n * width * sizeof(float));
      copy_rows(dx.as<float>(), gradient, index, true, n, width);
    }
    if (dweight && gradients)
      cpu::gemm(
          kernels_.gemm,
          {vocab, width, n, {g, Factor::Along}, {in, Factor::Along}, {dweight.as<float>(), width}, nullptr, true});
  }
}

}  // namespace whisper
