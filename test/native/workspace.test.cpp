// What operations take from the pool for themselves while they run: the dry run counts what the CPU takes.
#include <algorithm>
#include <vector>

#include "cpu/cpu_backend.h"
#include "dry_backend.h"
#include "test.h"

using namespace whisper;

namespace {

// The pool rounds blocks up by at most a 64th (cpu/memory_pool.cpp).
void check_counted(const CpuBackend& cpu, const DryBackend& dry, size_t operands, size_t workspace) {
  CHECK(dry.workspace_bytes() == workspace);
  CHECK(dry.peak_bytes() == operands + workspace);
  CHECK(cpu.peak_bytes() >= dry.peak_bytes());
  CHECK(cpu.peak_bytes() <= dry.peak_bytes() + dry.peak_bytes() / 64 + 64 * 16);
}

// Every row has a label. Returns the bytes of the operands.
size_t classifier(Backend& backend, DType type, int64_t rows, int64_t width, int64_t vocab) {
  const Tensor labels = backend.empty({rows}, DType::I32), loss = backend.empty({rows});
  const Tensor x = backend.zeros({rows, width}, type), dx = backend.empty({rows, width}, type);
  const Tensor weight = backend.zeros({vocab, width}, type), dweight = backend.zeros({vocab, width});
  const std::vector<int32_t> classes(static_cast<size_t>(rows), 1);
  backend.upload(labels.address, classes.data(), classes.size() * sizeof(int32_t));
  const size_t operands = backend.live_bytes();
  backend.classifier(loss, dx, dweight, x, labels, weight, 1.0f, 0.0f);
  CHECK(backend.live_bytes() == operands);
  return operands;
}

size_t layernorm_backward(Backend& backend, int64_t rows, int64_t width, bool weights) {
  const Tensor x = backend.zeros({rows, width}), dy = backend.zeros({rows, width}), dx = backend.zeros({rows, width});
  const Tensor mean = backend.zeros({rows}), rstd = backend.zeros({rows}), weight = backend.zeros({width});
  const Tensor dweight = weights ? backend.zeros({width}) : Tensor(),
               dbias = weights ? backend.zeros({width}) : Tensor();
  const size_t operands = backend.live_bytes();
  backend.layernorm_backward(dx, dweight, dbias, dy, x, mean, rstd, weight);
  CHECK(backend.live_bytes() == operands);
  return operands;
}

}  // namespace

// 8388608 logits at a time: 838 rows of 10007, or fewer where there are fewer.
TEST(dry_run_counts_the_logits_of_the_classifier) {
  const int64_t width = 24, vocab = 10007;
  for (const DType type : {DType::F32, DType::F16, DType::BF16})
    for (const int64_t rows : {1, 100, 838, 900}) {
      CpuBackend cpu;
      DryBackend dry;
      classifier(cpu, type, rows, width, vocab);
      const size_t chunk = std::min<size_t>(rows, 838), operands = classifier(dry, type, rows, width, vocab);
      check_counted(cpu, dry, operands, chunk * (vocab * sizeof(float) + 2 * width * size_of(type)));
    }
}

// Chunks of 16 rows or more, 128 of them at most; none where the weights are not trained.
TEST(dry_run_counts_the_shares_of_layernorm) {
  const int64_t width = 100;
  for (const auto& [rows, shares] : {std::pair{1, 1}, {16, 1}, {17, 2}, {2048, 128}, {2049, 121}})
    for (const bool weights : {true, false}) {
      CpuBackend cpu;
      DryBackend dry;
      layernorm_backward(cpu, rows, width, weights);
      const size_t operands = layernorm_backward(dry, rows, width, weights);
      check_counted(cpu, dry, operands, weights ? 2 * shares * width * sizeof(float) : 0);
    }
}
