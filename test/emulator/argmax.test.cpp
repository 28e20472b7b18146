// The next token of greedy decoding on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

void argmax(int64_t rows, int64_t vocab, float deviation) {
  for (const bool masked : {false, true})
    agree("argmax", 1e-6, [&](Operands& make) {
      Tensor logits = make.normal({rows, vocab}, DType::F32, deviation);
      Tensor tokens = make.integers({rows}, -9, -8), logprobs = make.filled({rows}, 7);
      std::vector<float> mask(static_cast<size_t>(vocab), 0.0f);
      for (int64_t i = 0; i < vocab; i += 3) mask[static_cast<size_t>(i)] = -INFINITY;
      make.backend().argmax(tokens, logprobs, logits, masked ? make.of(mask, {vocab}) : Tensor{});
      return std::vector{tokens, logprobs};
    });
}

}  // namespace

TEST(cuda_argmax) {
  argmax(3, 1, 1);
  argmax(2, 37, 3);
  argmax(2, 5000, 3);
}

TEST(cuda_argmax_of_equals) { argmax(2, 1500, 0); }

TEST(cuda_argmax_race) { argmax(1, 70, 3); }

}  // namespace whisper::test
