// Optimizers, the norm and the 8-bit code on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

constexpr DType floats[] = {DType::F32, DType::F16, DType::BF16};
constexpr AdamwHyper adamw{.lr = 1e-2, .decay = 0.1, .t = 3};

Tensor squares(Operands& make, Shape shape) {
  Tensor x = make.normal(shape), y = make.filled(shape, 0.01f);
  Tensor v = make.backend().zeros(shape);
  make.backend().adamw(make.filled(shape, 0), y, v, x, make.filled({1}, 1), {.beta2 = 0.5}, Tensor());
  return v;
}
Tensor codes(Operands& make, int64_t n) {
  Tensor x = make.normal({n}), all = make.backend().empty({n}, DType::U8);
  make.backend().quantize(all, make.backend().empty({(n + 255) / 256}), x, true);
  return all;
}

// One step of each optimizer: what it changes.
std::vector<Tensor> adamw_step(Operands& make, int64_t n, DType type, float scale) {
  Tensor value = make.normal({n}), m = make.normal({n}, DType::F32, 0.1f), v = squares(make, {n});
  Tensor copy = make.normal({n}, type);
  const Tensor grad = make.normal({n}), factor = make.filled({1}, scale);
  make.backend().adamw(value, m, v, grad, factor, adamw, copy);
  make.backend().adamw_hf(value, m, v, grad, factor, adamw, Tensor());
  return {value, m, v, copy};
}
std::vector<Tensor> adamw_8bit_step(Operands& make, int64_t n, DType type, float scale, bool guard) {
  const int64_t blocks = (n + 255) / 256;
  Tensor value = make.normal({n}), m = codes(make, n), v = codes(make, n);
  Tensor m_absmax = make.filled({blocks}, 0.3f), v_absmax = make.filled({blocks}, 0.1f);
  Tensor copy = make.normal({n}, type);
  const Tensor grad = make.normal({n}), factor = make.filled({1}, scale);
  make.backend().adamw_8bit(value, m, v, m_absmax, v_absmax, grad, factor, adamw, guard, copy);
  return {value, m, v, m_absmax, v_absmax, copy};
}
std::vector<Tensor> sgd_step(Operands& make, int64_t n, DType type, float scale) {
  Tensor value = make.normal({n}), copy = make.normal({n}, type);
  make.backend().sgd(value, make.normal({n}), make.filled({1}, scale), 0.1, 0.2, copy);
  return {value, copy};
}
std::vector<Tensor> adafactor_step(Operands& make, const Shape& shape, DType type, float scale) {
  int64_t matrices = 1;
  for (int i = 0; i + 2 < shape.rank; ++i) matrices *= shape[i];
  Tensor value = make.normal(shape), copy = make.normal(shape, type);
  Tensor row = shape.rank > 1 ? squares(make, {matrices * shape[-2]}) : Tensor();
  Tensor column = squares(make, {matrices * shape[-1]});
  const Tensor grad = make.normal(shape), factor = make.filled({1}, scale);
  make.backend().adafactor(value, row, column, grad, factor, {.lr = 0.1, .decay = 0.1, .t = 3}, copy);
  if (row) return {value, row, column, copy};
  return {value, column, copy};
}

}  // namespace

TEST(cuda_norm) {
  for (const int64_t n : {1, 31, 4096, 4097, 100003})
    agree("norm", 1e-7, [&](Operands& make) {
      Tensor norm = make.backend().empty({1}), scale = make.backend().empty({1});
      make.backend().norm(norm, make.normal({n}));
      make.backend().clip_scale(scale, norm, make.normal({n}), 1, 128);
      return std::vector{norm, scale};
    });
}

TEST(cuda_norm_race) {
  agree("norm", 1e-7, [](Operands& make) {
    Tensor norm = make.backend().empty({1}), scale = make.backend().empty({1});
    make.backend().norm(norm, make.normal({9000}));
    make.backend().clip_scale(scale, norm, make.normal({300}), 1, 128);
    return std::vector{norm, scale};
  });
}

// Unscaled, and skipped.
TEST(cuda_adamw) {
  for (const DType type : floats)
    for (const int64_t n : {1, 255, 3001})
      for (const float scale : {0.4f, 0.0f})
        agree("adamw", 0, [&](Operands& make) { return adamw_step(make, n, type, scale); });
}

TEST(cuda_sgd) {
  for (const DType type : floats)
    for (const int64_t n : {1, 255, 3001})
      for (const float scale : {0.4f, 0.0f})
        agree("sgd", 0, [&](Operands& make) { return sgd_step(make, n, type, scale); });
}

TEST(cuda_adamw_8bit) {
  for (const DType type : floats)
    for (const int64_t n : {1, 256, 300, 2049, 9000})
      for (const float scale : {0.4f, 0.0f})
        agree("adamw_8bit", 0, [&](Operands& make) { return adamw_8bit_step(make, n, type, scale, n % 2 == 0); });
}

TEST(cuda_adamw_8bit_race) {
  agree("adamw_8bit", 0, [](Operands& make) { return adamw_8bit_step(make, 8200 + 300, DType::BF16, 0.4f, true); });
}

// Sums are in another order than the CPU's, which can round a 16-bit copy to the other side.
TEST(cuda_adafactor) {
  for (const Shape& shape : {Shape{1}, Shape{700}, Shape{5, 7}, Shape{65, 1}, Shape{1, 300}, Shape{70, 1033},
                             Shape{300, 64}, Shape{4, 3, 520}, Shape{2, 3, 4, 5}}) {
    for (const DType type : floats)
      agree("adafactor",
            type == DType::F32   ? 3e-6
            : type == DType::F16 ? 5e-4
                                 : 4e-3,
            [&](Operands& make) { return adafactor_step(make, shape, type, 0.4f); });
    agree("adafactor", 0, [&](Operands& make) { return adafactor_step(make, shape, DType::F32, 0); });
  }
}

TEST(cuda_adafactor_race) {
  agree("adafactor", 3e-6, [](Operands& make) { return adafactor_step(make, {2, 33, 140}, DType::F32, 0.4f); });
}

// Rows of odd length begin where 16 bytes do not.
TEST(cuda_optimizers_unaligned) {
  agree("adamw", 0, [](Operands& make) {
    constexpr int64_t n = 1500;
    const auto after_first = [&](Tensor whole) { return whole.part(1, {n}); };
    Tensor value = make.normal({n + 1}), m = make.normal({n + 1}), v = squares(make, {n + 1}),
           grad = make.normal({n + 1});
    Tensor copy = make.normal({n + 1}, DType::BF16), m_codes = codes(make, n + 1), v_codes = codes(make, n + 1);
    Tensor m_absmax = make.filled({6}, 0.2f), v_absmax = make.filled({6}, 0.1f), scale = make.filled({1}, 0.4f);
    Tensor norm = make.backend().empty({1});
    make.backend().norm(norm, after_first(grad));
    make.backend().adamw(after_first(value), after_first(m), after_first(v), after_first(grad), scale, adamw,
                         after_first(copy));
    make.backend().adamw_8bit(after_first(value), after_first(m_codes), after_first(v_codes), m_absmax, v_absmax,
                              after_first(grad), scale, adamw, false, after_first(copy));
    make.backend().sgd(after_first(value), after_first(grad), scale, 0.1, 0.2, after_first(copy));
    return std::vector{value, m, v, copy, m_codes, v_codes, m_absmax, v_absmax, norm};
  });
}

TEST(cuda_quantize) {
  for (const bool is_signed : {true, false})
    for (const int64_t n : {1, 256, 5003})
      agree("quantize", 0, [&](Operands& make) {
        const int64_t blocks = (n + 255) / 256;
        Tensor all = make.backend().empty({n}, DType::U8), absmax = make.backend().empty({blocks});
        Tensor back = make.backend().empty({n});
        make.backend().quantize(all, absmax, is_signed ? make.normal({n}) : squares(make, {n}), is_signed);
        make.backend().dequantize(back, all, absmax, make.normal({256}), 256);
        return std::vector{all, absmax, back};
      });
}

}  // namespace whisper::test
