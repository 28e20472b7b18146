// Layer normalisation on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

void layernorm(DType type, int64_t rows, int64_t width) {
  agree("layernorm", type == DType::F32 ? 1e-5 : 1e-2, [&](Operands& make) {
    Backend& backend = make.backend();
    Tensor x = make.normal({rows, width}), weight = make.normal({width}), bias = make.normal({width});
    Tensor y = make.filled({rows, width}, 7, type), mean = make.filled({rows}, 7), rstd = make.filled({rows}, 7);
    backend.layernorm(y, mean, rstd, x, weight, bias);
    Tensor dx = make.normal({rows, width}), dweight = make.normal({width}), dbias = make.normal({width});
    Tensor dy = make.normal({rows, width}, type), dx_alone = make.normal({rows, width});
    backend.layernorm_backward(dx, dweight, dbias, dy, x, mean, rstd, weight);
    backend.layernorm_backward(dx_alone, Tensor{}, dbias, dy, x, mean, rstd, weight);
    return std::vector{y, mean, rstd, dx, dweight, dbias, dx_alone};
  });
}

}  // namespace

// In the registers of a warp, in as many as each width of Whisper takes, and from memory.
TEST(cuda_layernorm) {
  for (const DType type : {DType::F32, DType::F16, DType::BF16})
    for (const int64_t width : {1, 4, 31, 384, 513, 768, 1024, 1280, 1284}) layernorm(type, 19, width);
}

// More rows than there are shares times the least rows of one.
TEST(cuda_layernorm_of_many_rows) {
  layernorm(DType::F32, 2100, 8);
  layernorm(DType::BF16, 2100, 7);
}

TEST(cuda_layernorm_race) {
  layernorm(DType::F16, 17, 132);
  layernorm(DType::F16, 17, 33);
}

}  // namespace whisper::test
