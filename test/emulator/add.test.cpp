// Sums of tensors on the emulated GPU.
#include "agree.h"

namespace whisper::test {

TEST(cuda_add) {
  for (const DType type : {DType::F32, DType::F16, DType::BF16})
    for (const int64_t n : {1, 257, 3000})
      agree("add", 0, [&](Operands& make) {
        Tensor x = make.normal({n}), y = make.normal({n}, type);
        make.backend().add(x, x, y);
        return std::vector{x};
      });
}

TEST(cuda_add_positions) {
  agree("add_positions", 0, [](Operands& make) {
    Tensor x = make.normal({3, 5, 7}), table = make.normal({6, 7});
    make.backend().add_positions(x, x, table);
    return std::vector{x};
  });
}

}  // namespace whisper::test
