// Linear layers on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

constexpr DType floats[] = {DType::F32, DType::F16, DType::BF16};

double tolerance(DType type) { return type == DType::F32 ? 1e-6 : type == DType::F16 ? 0x1p-11 : 0x1p-8; }

struct Size {
  int64_t m, n, k;
};
constexpr Size sizes[] = {{1, 33, 40}, {37, 16, 24}, {70, 66, 41}, {130, 72, 64}};

}  // namespace

TEST(cuda_linear) {
  for (const DType type : floats)
    for (const Size s : sizes)
      agree("linear", tolerance(type), [&](Operands& make) {
        Backend& backend = make.backend();
        const Tensor x = make.normal({s.m, s.k}, type), weight = make.normal({s.n, s.k}, type);
        const Tensor y = backend.empty({s.m, s.n}, type), wide = backend.empty({s.m, s.n});
        backend.linear(y, x, weight, make.normal({s.n}));
        backend.linear(wide, x, weight, View());
        return std::vector{y, wide};
      });
}

TEST(cuda_linear_backward) {
  for (const DType type : floats)
    for (const Size s : sizes)
      agree("linear_backward", tolerance(type), [&](Operands& make) {
        Backend& backend = make.backend();
        const Tensor x = make.normal({s.m, s.k}, type), weight = make.normal({s.n, s.k}, type);
        const Tensor dy = make.normal({s.m, s.n}, type), dx = backend.empty({s.m, s.k}, type);
        const Tensor added = make.normal({s.m, s.k}, type), dweight = make.normal({s.n, s.k});
        const Tensor dbias = make.normal({s.n}), alone = make.normal({s.n});
        backend.linear_backward(dx, dweight, dbias, dy, x, weight, false);
        backend.linear_backward(added, View(), alone, dy, View(), weight, true);
        return std::vector{dx, added, dweight, dbias, alone};
      });
}

// Sums over so many rows that they are taken in groups, and at each width of what a thread reads.
TEST(cuda_linear_bias_gradient) {
  for (const DType type : floats)
    for (const int64_t n : {24, 33, 264})
      agree("sums of columns", 2e-6, [&](Operands& make) {
        const Tensor dy = make.normal({3, 333, n}, type).strided(0, {3, 111, n}, 2 * n, 333 * n);
        const Tensor dbias = make.normal({n}), dense = make.normal({n});
        const Tensor weight = make.normal({n, 8}, type);
        make.backend().linear_backward(View(), View(), dbias, dy, make.normal({333, 8}, type), weight, false);
        make.backend().linear_backward(View(), View(), dense, make.normal({333, n}, type), make.normal({333, 8}, type),
                                       weight, false);
        return std::vector{dbias, dense};
      });
}

TEST(cuda_linear_gelu) {
  for (const DType type : floats)
    agree("linear_gelu", 2 * tolerance(type), [&](Operands& make) {
      Backend& backend = make.backend();
      const Tensor x = make.normal({70, 24}, type), weight = make.normal({33, 24}, type);
      const Tensor h = backend.empty({70, 33}, type), y = backend.empty({70, 33}, type);
      backend.linear_gelu(y, h, x, weight, make.normal({33}));
      const Tensor dh = backend.empty({70, 24}, type);
      backend.linear_gelu_backward(dh, make.normal({70, 33}, type), weight, make.normal({70, 24}, type));
      return std::vector{h, y, dh};
    });
}

TEST(cuda_linear_backward_race) {
  agree("linear_backward", tolerance(DType::F16), [](Operands& make) {
    const Tensor x = make.normal({90, 24}, DType::F16), weight = make.normal({33, 24}, DType::F16);
    const Tensor dy = make.normal({90, 33}, DType::F16), dx = make.backend().empty({90, 24}, DType::F16);
    const Tensor dweight = make.normal({33, 24}), dbias = make.normal({33});
    make.backend().linear_backward(dx, dweight, dbias, dy, x, weight, false);
    return std::vector{dx, dweight, dbias};
  });
}

}  // namespace whisper::test
