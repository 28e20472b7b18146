// Products on the emulated GPU by the candidates that take any: forms, dtypes, tiles, spacing of rows and epilogues.
#include <cmath>

#include "agree.h"
#include "cuda/cuda_backend.h"
#include "cuda/division.h"
#include "cuda/epilogue.h"
#include "emulator.h"
#include "products.h"

namespace whisper::test {
namespace {

using P = ProductCase;
using cuda::Factor;

constexpr DType f32 = DType::F32, f16 = DType::F16, bf16 = DType::BF16, floats[] = {f32, f16, bf16};
constexpr P::Form forms[] = {P::y, P::dx, P::dW};

// The candidate for any product of a dtype.
const cuda::GemmCandidate& tiles(DType type) { return type == f32 ? cuda::gemm_f32 : cuda::gemm_mma; }

std::vector<float> values(Backend& backend, const Tensor& t) {
  std::vector<float> host(static_cast<size_t>(t.shape.size()));
  Tensor wide = t;
  if (t.dtype != f32) backend.cast(wide = backend.empty(t.shape), t);
  backend.download(host.data(), wide.address, host.size() * sizeof(float));
  backend.synchronize();
  return host;
}

}  // namespace

TEST(cuda_gemm_forms) {
  for (const P::Form form : forms)
    for (const DType type : floats) {
      check_product(tiles(type), {form, 33, 1, 1, type, f32});
      check_product(tiles(type), {form, 37, 21, 13, type, f32});
      check_product(tiles(type), {form, 70, 66, 33, type, f32, {.gap = 3}});
      check_product(tiles(type), {form, 72, 136, 40, type, f32});
      check_product(tiles(type), {form, 40, 64, 200, type, f32, {.gap = 8}});
    }
}

// Sizes for which the large tiles are chosen, and the middle ones. Nothing that lies aligned meets a bank twice.
TEST(cuda_gemm_tiles) {
  const uint64_t before = emulator::statistics.bank_conflicts;
  for (const P::Form form : forms) {
    const int64_t k = form == P::dW ? 40 : 8;  // one stage is enough to see every lane's place
    check_product(cuda::gemm_mma, {form, 104, 17096, k, f16, f16});
    check_product(cuda::gemm_mma, {form, 104, 12696, 8, bf16, f32});
    check_product(cuda::gemm_f32, {form, 100, 8572, 8, f32, f32});
    check_product(cuda::gemm_mma, {form, 72, 80, 200, bf16, bf16});
  }
  CHECK(emulator::statistics.bank_conflicts == before);
}

TEST(cuda_gemm_division) {
  constexpr cuda::TileKind kinds[] = {{128, 256, 100}, {128, 128, 90}, {64, 64, 60}};
  const auto division = [&](int64_t m, int64_t n, int64_t k) { return cuda::divide(kinds, m, n, k, 2200); };
  CHECK(division(48000, 1280, 1280).tile == 0);  // a large encoder: enough tiles for every processor
  CHECK(division(48000, 1280, 1280).slices == 1);
  CHECK(division(1280, 1280, 48000).slices > 1);  // its weights' gradients: fifty tiles
  CHECK(division(104, 17096, 8).tile == 0);       // what the test above is about
  CHECK(division(104, 12696, 8).tile == 1);
  CHECK(division(40, 24, 200).tile == 2);
  CHECK(division(40, 24, 200).slices == 1);
  CHECK(division(40, 24, 2400).slices > 1);  // the test below
  for (const int64_t k : {0, 1, 31, 300, 5003, 48000, 100001}) {
    const cuda::Division d = division(40, 24, k);
    CHECK(d.slice % 32 == 0 && d.slices * d.slice >= k && (d.slices - 1) * d.slice <= k);
  }
}

// Long sums of few tiles, which are made in slices.
TEST(cuda_gemm_slices) {
  for (const P::Form form : forms)
    for (const DType type : floats) {
      check_product(tiles(type), {form, 40, 24, 2400, type, f32});
      check_product(tiles(type), {form, 37, 21, 2403, type, type, {.bias = true, .add = true, .gelu = true}});
    }
}

TEST(cuda_gemm_few_rows) {
  for (const DType type : floats) {
    check_product(cuda::gemm_few_rows, {P::y, 1, 40, 64, type, f32});
    check_product(cuda::gemm_few_rows, {P::y, 5, 17, 531, type, f32});
    check_product(cuda::gemm_few_rows, {P::y, 16, 33, 200, type, type, {.bias = true}});
    check_product(cuda::gemm_few_rows, {P::y, 17, 48, 1000, type, f32, {.bias = true, .add = true, .gap = 8}});
    check_product(cuda::gemm_few_rows, {P::y, 32, 24, 40, type, type, {.gelu = true}});
    check_product(cuda::gemm_few_rows, {P::y, 20, 24, 40, type, f32, {.live = 9}});
  }
}

TEST(cuda_gemm_epilogues) {
  for (const DType type : floats)
    for (const int64_t n : {40, 31}) {
      check_product(tiles(type), {P::y, 70, n, 40, type, type, {.bias = true, .gelu = true}});
      check_product(tiles(type), {P::y, 70, n, 40, type, type, {.gelu = true, .wide_gelu = true}});
      check_product(tiles(type), {P::dx, 70, n, 40, type, type, {.gelu_input = true, .gap = 5}});
      check_product(tiles(type), {P::dx, 70, n, 40, type, type, {.add = true, .gap = 4}});
      check_product(tiles(type), {P::dW, 70, n, 40, type, f32, {.bias = true, .add = true}});
    }
}

// Only the first rows of A are there, or steps of k: the rest is never read, and rows of C beyond are left as they are.
TEST(cuda_gemm_live) {
  for (const DType type : floats)
    for (const int64_t live : {0, 1, 67, 90, 200})
      for (const P::Form form : forms)
        check_product(tiles(type), {form, 90, 40, 200, type, f32, {.add = true, .live = live}});
  check_product(cuda::gemm_mma, {P::dW, 40, 24, 2400, f16, f32, {.live = 300}});
  check_product(cuda::gemm_mma, {P::dx, 40, 24, 2400, f16, f32, {.live = 7}});
}

// The windows of a convolution, whose rows overlap and jump at the ends of batch entries, read across and along.
TEST(cuda_gemm_windows) {
  for (const DType type : floats)
    for (const int64_t width : {8, 5}) {
      const std::shared_ptr<Backend> backend = open_backend("cuda-emulator");
      Operands make(*backend);
      constexpr int64_t batch = 4, time = 21, stride = 2, count = 10, n = 24;
      const int64_t k = 3 * width;
      const Tensor x = make.normal({batch, time, width}, type), weight = make.normal({n, k}, type);
      const Tensor windows = x.strided(0, {batch, count, k}, stride * width, time * width);
      const Tensor dy = make.normal({batch, count, n}, type);
      const Tensor y = backend->empty({batch, count, n}), dweight = backend->zeros({n, k});
      backend->linear(y, windows, weight, View());
      backend->linear_backward(View(), dweight, View(), dy, windows, weight, false);
      const std::vector<float> from = values(*backend, x), w = values(*backend, weight), d = values(*backend, dy);
      const std::vector<float> products = values(*backend, y), gradients = values(*backend, dweight);
      const auto window = [&](int64_t r, int64_t c) {
        return double{from[static_cast<size_t>((r / count * time + r % count * stride) * width + c)]};
      };
      const auto near = [](double a, double b) { CHECK(std::abs(a - b) < 1e-4); };
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t r = 0; r < batch * count; ++r) {
          double sum = 0;
          for (int64_t c = 0; c < k; ++c) sum += window(r, c) * w[static_cast<size_t>(j * k + c)];
          near(products[static_cast<size_t>(r * n + j)], sum);
        }
        for (int64_t c = 0; c < k; ++c) {
          double sum = 0;
          for (int64_t r = 0; r < batch * count; ++r) sum += window(r, c) * d[static_cast<size_t>(r * n + j)];
          near(gradients[static_cast<size_t>(j * k + c)], sum);
        }
      }
    }
}

// For products that know no GELU: it is taken of what they stored.
TEST(cuda_gemm_finish_stored) {
  for (const DType type : floats) {
    const std::shared_ptr<Backend> backend = open_backend("cuda-emulator");
    auto& cuda_backend = static_cast<CudaBackend&>(*backend);
    Operands make(*backend);
    const Tensor x = make.normal({70, 24}, type), weight = make.normal({33, 24}, type), bias = make.normal({33});
    const Tensor c = backend->empty({70, 33}, type), y = backend->empty({70, 33}, type);
    backend->linear(c, x, weight, bias);
    const cuda::Product product{.m = 70,
                                .n = 33,
                                .k = 24,
                                .a = {x, Factor::Across},
                                .b = {weight, Factor::Across},
                                .c = c,
                                .bias = static_cast<const float*>(bias.address),
                                .gelu = y};
    cuda::finish_stored(cuda_backend, "test", product);
    const Tensor h = backend->empty({70, 33}, type), expected = backend->empty({70, 33}, type);
    backend->linear_gelu(expected, h, x, weight, bias);
    CHECK(values(*backend, c) == values(*backend, h));
    CHECK(values(*backend, y) == values(*backend, expected));
  }
}

TEST(cuda_gemm_refuses) {
  const std::shared_ptr<Backend> backend = open_backend("cuda-emulator");
  auto& cuda_backend = static_cast<CudaBackend&>(*backend);
  const Tensor x = backend->zeros({64, 64});
  const cuda::Product turned{
      .m = 64, .n = 64, .k = 64, .a = {x, Factor::Along}, .b = {x, Factor::Across}, .c = backend->empty({64, 64})};
  CHECK_THROWS(InvalidArgument, "test: no kernel", cuda::gemm(cuda_backend, "test", turned));
  cuda::Product large = turned;
  large.a.direction = Factor::Across, large.n = int64_t{1} << 32;
  CHECK_THROWS(InvalidArgument, "is too large", cuda::gemm(cuda_backend, "test", large));
}

TEST(cuda_gemm_race) {
  for (const P::Form form : forms) {
    check_product(cuda::gemm_mma, {form, 40, 24, 200, f16, f32});
    check_product(cuda::gemm_f32, {form, 40, 24, 100, f32, f32, {.bias = true}});
  }
  check_product(cuda::gemm_mma, {P::dx, 37, 21, 1100, bf16, f32});
  check_product(cuda::gemm_few_rows, {P::y, 5, 24, 200, f32, f32});
  check_product(cuda::gemm_few_rows, {P::y, 20, 24, 200, f16, f32});
}

}  // namespace whisper::test
