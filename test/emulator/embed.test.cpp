// Embeddings on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

// The CPU adds rows in the same order, so that the sums are the same to the last bit.
void embed(int64_t batch, int64_t time, int64_t width, int32_t vocab, int padding) {
  for (const DType type : {DType::F32, DType::F16, DType::BF16})
    agree("embed", 0, [&](Operands& make) {
      Backend& backend = make.backend();
      Tensor tokens = make.integers({batch, time}, 0, vocab), table = make.normal({vocab, width}, type);
      Tensor y = make.filled({batch, time, width}, 7), positions = make.normal({time + 3, width});
      backend.embed(y, tokens, table, positions, 2);
      Tensor dy = make.normal({batch, time, width});
      Tensor dtable = make.normal({vocab, width}), dpositions = make.normal({time + 1, width});
      backend.embed_backward(dtable, dpositions, dy, tokens, padding);
      return std::vector{y, dtable, dpositions};
    });
}

}  // namespace

TEST(cuda_embed) {
  embed(2, 9, 7, 5, -1);
  embed(3, 5, 516, 40, 3);
  embed(1, 1, 1, 1, -1);
}

// More positions than a block looks at in one stretch, so that a token is looked for in several, either way.
TEST(cuda_embed_of_many_positions) {
  agree("embed_backward", 0, [](Operands& make) {
    std::vector<int32_t> numbers(2600, 2);  // padding, but for a few
    for (const int at : {0, 3, 1023, 1024, 1500, 2047, 2048, 2599}) numbers[at] = at % 2;
    Tensor tokens = make.backend().from_host(numbers.data(), {2, 1300}, DType::I32);
    Tensor dy = make.normal({2600, 3}), dtable = make.normal({3, 3});
    make.backend().embed_backward(dtable, Tensor{}, dy, tokens, 2);
    return std::vector{dtable};
  });
}

TEST(cuda_embed_race) { embed(2, 4, 8, 3, 1); }

}  // namespace whisper::test
