// Casts, GELU, dropout, folding, gathering and masking on the emulated GPU.
#include "agree.h"
#include "core/error.h"

namespace whisper::test {
namespace {

constexpr DType floats[] = {DType::F32, DType::F16, DType::BF16};

// Elements of a tensor from the second on: nothing is aligned to 16 bytes.
Tensor shifted(const Tensor& t) { return t.part(1, {t.shape.size() - 1}); }

// [batch, time, width] with rows between and behind them that nobody may touch.
Tensor between(const Tensor& t, int64_t batch, int64_t time, int64_t width) {
  return t.strided(width, {batch, time, width}, width, (time + 2) * width);
}

}  // namespace

TEST(cuda_cast) {
  for (const DType from : floats)
    for (const DType to : floats)
      for (const int64_t n : {1, 9, 2500})
        agree("cast", 0, [&](Operands& make) {
          Tensor x = make.normal({n + 1}, from), y = make.filled({n + 1}, 7, to), z = make.filled({n + 1}, 7, to);
          make.backend().cast(y, x);
          make.backend().cast(shifted(z), shifted(x));
          return std::vector{y, z};
        });
}

TEST(cuda_multiply) {
  for (const DType from : floats)
    for (const DType to : floats)
      for (const int64_t n : {1, 9, 2500})
        agree("multiply", 0, [&](Operands& make) {
          Tensor x = make.normal({n + 1}, from), y = make.filled({n + 1}, 7, to), z = make.filled({n + 1}, 7, to);
          make.backend().multiply(y, x, 0.3f);
          make.backend().multiply(shifted(z), shifted(x), -2);
          return std::vector{y, z};
        });
}

TEST(cuda_gelu) {
  for (const DType type : floats)
    for (const int64_t width : {1, 8, 33, 1200})
      agree("gelu", type == DType::F32 ? 1e-6 : 1e-2, [&](Operands& make) {
        Tensor x = make.normal({2, 3, width}, type, 2), y = make.filled({2, 5, width}, 7, type);
        Tensor dx = make.filled({2, 3, width}, 7, type), dy = make.normal({2, 5, width});
        make.backend().gelu(between(y, 2, 3, width), x);
        make.backend().gelu_backward(dx, between(dy, 2, 3, width), x);
        return std::vector{y, dx};
      });
}

TEST(cuda_dropout) {
  for (const DType type : floats)
    for (const int64_t n : {1, 6, 1029})
      agree("dropout", 0, [&](Operands& make) {
        Tensor x = make.normal({n + 1}, type), y = make.filled({n + 1}, 7), z = make.filled({n + 1}, 7);
        make.backend().dropout(y, x, {.rate = 0.3f, .key = 5, .stream = uint64_t{1} << 40});
        make.backend().dropout(shifted(z), shifted(x), {.rate = 0.3f, .key = 5, .stream = 6});
        return std::vector{y, z};
      });
}

TEST(cuda_fold) {
  for (const DType type : floats)
    for (const auto& [width, stride] : {std::pair<int64_t, int>{80, 2}, {7, 1}, {16, 3}})
      agree("fold", type == DType::F32 ? 1e-6 : 1e-2, [&, width = width, stride = stride](Operands& make) {
        Tensor dx = make.filled({2, 10, width}, 7, type), dwindows = make.normal({2, 7 / stride + 1, 3 * width}, type);
        make.backend().fold(dx, dwindows, stride);
        return std::vector{dx};
      });
}

TEST(cuda_gather) {
  for (const DType type : {DType::F32, DType::BF16})
    for (const int64_t width : {1, 3, 64})
      agree("gather", 0, [&](Operands& make) {
        Backend& backend = make.backend();
        Tensor x = make.normal({5, 6, width}, type), y = make.filled({4, 4, width}, 7, type);
        Tensor matrix = make.filled({3, width}, 7, type);
        backend.gather(y, between(x, 5, 4, width), make.integers({4}, 0, 5));
        backend.gather(matrix, x.reshaped({30, width}), make.integers({3}, 0, 30));
        return std::vector{y, matrix};
      });
}

TEST(cuda_mask_spans) {
  agree("mask_spans", 0, [](Operands& make) {
    Tensor x = make.normal({3, 40, 33});
    // No two overlap: a zero written twice would be a race that nobody loses.
    const std::vector<int32_t> spans{0, 2,  38, 0,  33,  //
                                     1, 0,  30, 3,  6,   //
                                     1, 30, 38, 0,  33,  //
                                     2, 37, 38, 32, 33,  //
                                     2, 4,  4,  0,  1};
    make.backend().mask_spans(between(x, 3, 38, 33), make.backend().from_host(spans.data(), {5, 5}, DType::I32));
    return std::vector{x};
  });
}

// Values that kernels refuse: the first is named by synchronize(), which then starts afresh.
TEST(cuda_fault) {
  const std::shared_ptr<Backend> backend = open_backend("cuda-emulator");
  Operands make(*backend);
  const auto synchronized = [&]() -> std::string {
    try {
      backend->synchronize();
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  Tensor x = make.normal({2, 3}), y = make.normal({4, 3});
  const std::vector<int32_t> index{0, 1, 2, 0};
  backend->gather(y, x, backend->from_host(index.data(), {4}, DType::I32));
  CHECK(synchronized() == "gather: index[2] is 2, x has 2 entries");
  CHECK(synchronized() == "");
  Tensor tokens = backend->from_host(index.data(), {2, 2}, DType::I32);
  backend->embed_backward(x, Tensor{}, y, tokens, 1);
  backend->gather(y, x, backend->from_host(index.data(), {4}, DType::I32));
  CHECK(synchronized() == "embed_backward: token 2 at row 1, position 0; the table has 2 rows");
}

}  // namespace whisper::test
