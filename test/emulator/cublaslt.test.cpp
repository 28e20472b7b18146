// How cuBLASLt is found and called, with a library in its place (mock_cublaslt.cpp) that is there on every machine.
#include "cuda/cublaslt.h"

#include <cstdlib>
#include <filesystem>

#include "../native/test.h"
#include "cuda/cuda_backend.h"
#include "cuda/gemm_cublaslt.h"
#include "cuda/open.h"
#include "products.h"

namespace whisper::test {
namespace {

using P = ProductCase;
constexpr DType f32 = DType::F32, f16 = DType::F16, bf16 = DType::BF16;

// Before any test, for the folder is read once.
const bool folder_is_named = setenv("WHISPER_TUNE_CUDA_LIBS", MOCK_FOLDER, 1) == 0;

// Sets a variable of the environment for as long as it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { setenv(name, value, 1); }
  ~Variable() { unsetenv(name_); }

 private:
  const char* name_;
};

}  // namespace

TEST(cublaslt_is_loaded_from_the_folder_that_is_named) {
  CHECK(folder_is_named);
  CHECK(cuda::load_cublaslt(MOCK_FOLDER).get_version() == 130000);
  CHECK(cuda::cublaslt() && cuda::why_no_cublaslt().empty());
}

TEST(cublaslt_says_why_it_cannot_be_used) {
  CHECK_THROWS(DeviceUnavailable, "WHISPER_TUNE_CUDA_LIBS can name", cuda::load_cublaslt("/nowhere"));
  {
    const Variable version("MOCK_CUBLASLT_VERSION", "110900");
    CHECK_THROWS(DeviceUnavailable, "version 110900: 12 or 13 is needed", cuda::load_cublaslt(MOCK_FOLDER));
  }
  const std::filesystem::path folder = std::filesystem::path(MOCK_FOLDER) / "other";
  std::filesystem::create_directories(folder);
  const std::filesystem::path link = folder / "libcublasLt.so.12";
  std::filesystem::remove(link);
  std::filesystem::create_symlink("/lib/x86_64-linux-gnu/libm.so.6", link);
  CHECK_THROWS(DeviceUnavailable, "has no cublasLtGetVersion", cuda::load_cublaslt(folder.c_str()));
}

TEST(cublaslt_is_compared_with_our_own_kernel) {
  const std::shared_ptr<Backend> opened = cuda::open_emulator();
  auto& backend = static_cast<CudaBackend&>(*opened);
  CHECK(cuda::compare_cublaslt(backend).empty());
  const Variable wrong("MOCK_CUBLASLT_WRONG", "1");
  CHECK(cuda::compare_cublaslt(backend).find("makes wrong products: element 1 is") != std::string::npos);
}

TEST(gemm_cublaslt_in_three_forms) {
  for (const P::Form form : {P::y, P::dx, P::dW})
    for (const DType type : {f16, bf16}) {
      check_product(cuda::gemm_cublaslt, {form, 24, 40, 56, type, type});
      check_product(cuda::gemm_cublaslt, {form, 40, 24, 72, type, f32, {.gap = 8}});
    }
}

TEST(gemm_cublaslt_finishes_sums) {
  check_product(cuda::gemm_cublaslt, {P::y, 24, 40, 56, f16, f32, {.bias = true}});
  check_product(cuda::gemm_cublaslt, {P::dW, 24, 40, 56, f16, f32, {.add = true}});
  check_product(cuda::gemm_cublaslt, {P::y, 24, 40, 56, bf16, f32, {.bias = true, .add = true}});
  check_product(cuda::gemm_cublaslt, {P::y, 24, 40, 56, f16, f16, {.bias = true, .gelu = true}});
  check_product(cuda::gemm_cublaslt, {P::y, 24, 40, 56, bf16, bf16, {.gelu = true}});
  check_product(cuda::gemm_cublaslt, {P::dx, 24, 40, 56, bf16, bf16, {.gelu_input = true}});
}

TEST(gemm_cublaslt_refuses) {
  alignas(16) static uint16_t memory[64];
  const cuda::Rows rows(memory, f16, 64);
  const cuda::Product product{
      .m = 64, .n = 64, .k = 64, .a = {rows, cuda::Factor::Across}, .b = {rows, cuda::Factor::Across}, .c = rows};
  const auto supported = [&](auto change) {
    cuda::Product p = product;
    change(p);
    return cuda::gemm_cublaslt.supports({}, p);
  };
  CHECK(supported([](auto&) {}));
  CHECK(!supported([](auto& p) { p.a.rows.dtype = p.b.rows.dtype = f32; }));
  CHECK(!supported([](auto& p) { p.a.rows.stride = 68; }));
  CHECK(!supported([](auto& p) { p.c.stride = 68; }));
  CHECK(!supported([](auto& p) { p.a.rows.stride = 32; }));  // rows overlap
  CHECK(!supported([](auto& p) { p.c.period = 32, p.c.batch_stride = 33 * 64; }));
  CHECK(!supported([](auto& p) { p.b.rows.address = memory + 4; }));
  CHECK(!supported([](auto& p) { p.bias = reinterpret_cast<const float*>(memory + 2); }));
  CHECK(!supported([](auto& p) { p.live = reinterpret_cast<const int32_t*>(memory); }));
}

}  // namespace whisper::test
