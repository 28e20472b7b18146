// Which kernel makes which product on the emulated GPU.
#include "cuda/gemm_choice.h"

#include <string>
#include <vector>

#include "../native/test.h"
#include "cuda/cuda_backend.h"
#include "cuda/open.h"

namespace whisper::test {
namespace {

using cuda::GemmChoice;

struct Products {
  std::shared_ptr<Backend> opened = cuda::open_emulator();
  CudaBackend& backend = static_cast<CudaBackend&>(*opened);
  std::shared_ptr<void> a, b, c;

  cuda::Product of(int64_t m, int64_t n, int64_t k, DType type) {
    const auto zeros = [&](int64_t rows, int64_t columns) {
      std::shared_ptr<void> memory = backend.allocate(static_cast<size_t>(rows * columns) * size_of(type));
      backend.zero(memory.get(), static_cast<size_t>(rows * columns) * size_of(type));
      return memory;
    };
    a = zeros(m, k), b = zeros(n, k), c = zeros(m, n);
    return {.m = m,
            .n = n,
            .k = k,
            .a = {cuda::Rows(a.get(), type, k), cuda::Factor::Across},
            .b = {cuda::Rows(b.get(), type, k), cuda::Factor::Across},
            .c = cuda::Rows(c.get(), type, n)};
  }
  std::string chosen(const cuda::Product& p, GemmChoice choice) {
    return cuda::choose_candidate(backend, "test", p, choice).name;
  }
};

constexpr DType f32 = DType::F32, f16 = DType::F16, bf16 = DType::BF16;

}  // namespace

TEST(gemm_choice_by_rule_is_by_sizes) {
  Products make;
  CHECK(make.chosen(make.of(128, 128, 64, f16), GemmChoice::Rule) == "wgmma");
  CHECK(make.chosen(make.of(256, 136, 72, bf16), GemmChoice::Rule) == "wgmma");
  CHECK(make.chosen(make.of(120, 128, 64, f16), GemmChoice::Rule) == "mma");
  CHECK(make.chosen(make.of(128, 120, 64, f16), GemmChoice::Rule) == "mma");
  CHECK(make.chosen(make.of(128, 128, 56, f16), GemmChoice::Rule) == "mma");
  CHECK(make.chosen(make.of(128, 128, 68, f16), GemmChoice::Rule) == "mma");  // rows are not aligned
  CHECK(make.chosen(make.of(128, 128, 64, f32), GemmChoice::Rule) == "f32");
  CHECK(make.chosen(make.of(8, 128, 64, f16), GemmChoice::Rule) == "few rows");
}

TEST(gemm_choice_can_be_told) {
  Products make;
  CHECK(make.chosen(make.of(128, 128, 64, f16), GemmChoice::Mma) == "mma");
  CHECK(make.chosen(make.of(40, 40, 64, f16), GemmChoice::Wgmma) == "wgmma");
  CHECK(make.chosen(make.of(40, 40, 68, f16), GemmChoice::Wgmma) == "mma");
  CHECK(make.chosen(make.of(128, 128, 64, f16), GemmChoice::Cublaslt) == "cublaslt");
  CHECK(make.chosen(make.of(128, 128, 64, f32), GemmChoice::Cublaslt) == "f32");
}

// The emulator has no time, so that all are as fast and the first one stays.
TEST(gemm_choice_of_the_fastest_leaves_c_alone) {
  Products make;
  cuda::Product p = make.of(128, 128, 64, f16);
  p.add = true;
  std::vector<uint16_t> before(128 * 128, 0x3c00), after(before.size());
  make.backend.upload(make.c.get(), before.data(), before.size() * 2);
  CHECK(make.chosen(p, GemmChoice::Fastest) == "wgmma");
  make.backend.download(after.data(), make.c.get(), after.size() * 2);
  CHECK(after == before);
  CHECK(make.chosen(p, GemmChoice::Fastest) == "wgmma");
  p.a.rows.stride = 60;  // the same sizes, and out of its reach
  CHECK(make.chosen(p, GemmChoice::Fastest) == "mma");
}

}  // namespace whisper::test
