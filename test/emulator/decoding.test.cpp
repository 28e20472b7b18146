// The operations that choose tokens, beside argmax, on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

// Every third token is masked.
Tensor thirds(Operands& make, int64_t vocab) {
  std::vector<float> mask(static_cast<size_t>(vocab), 0.0f);
  for (size_t i = 1; i < mask.size(); i += 3) mask[i] = -INFINITY;
  return make.of(mask, {vocab});
}

// With numbers that no token's end is near.
void sample(int64_t rows, int64_t vocab, float temperature) {
  for (const bool masked : {false, true})
    agree("sample", 1e-6, [&](Operands& make) {
      Tensor logits = make.normal({rows, vocab}, DType::F32, 3);
      Tensor tokens = make.integers({rows}, -9, -8), logprobs = make.filled({rows}, 7);
      make.backend().sample(tokens, logprobs, logits, masked ? thirds(make, vocab) : Tensor{},
                            {.temperature = temperature, .key = 5, .step = 3});
      return std::vector{tokens, logprobs};
    });
}

void top_k(int64_t rows, int64_t vocab, int k, float deviation) {
  for (const bool masked : {false, true})
    agree("top_k", 1e-6, [&](Operands& make) {
      Tensor logits = make.normal({rows, vocab}, DType::F32, deviation);
      Tensor values = make.filled({rows, k}, 7), tokens = make.integers({rows, k}, -9, -8);
      make.backend().top_k(values, tokens, logits, masked && k * 3 < vocab ? thirds(make, vocab) : Tensor{}, k);
      return std::vector{values, tokens};
    });
}

// Past tokens of which some are timestamps, from the last `range` tokens of the vocabulary.
void timestamp_rules(int64_t rows, int64_t vocab, int64_t length, int32_t range, float deviation) {
  for (const bool masked : {false, true})
    agree("timestamp_rules", 0, [&](Operands& make) {
      Tensor logits = make.normal({rows, vocab}, DType::F32, deviation);
      const auto size = static_cast<int32_t>(vocab);
      Tensor past = make.integers({rows, std::max<int64_t>(1, length)}, size - range, size);
      make.backend().timestamp_rules(
          logits, length ? past : Tensor{}, masked ? thirds(make, vocab) : Tensor{},
          {.begin = size / 2, .end_of_text = size / 3, .no_timestamps = size / 2 - 1, .max_initial = 3});
      return std::vector{logits};
    });
}

}  // namespace

TEST(cuda_sample) {
  sample(3, 1, 1);
  sample(4, 37, 0.5f);
  sample(3, 5000, 0.7f);
  sample(2, 4097, 2);
}

TEST(cuda_top_k) {
  top_k(3, 1, 1, 1);
  top_k(2, 37, 32, 3);
  top_k(2, 4100, 10, 3);
  top_k(2, 4099, 5, 3);
}

TEST(cuda_top_k_of_equals) { top_k(2, 1500, 7, 0); }

TEST(cuda_timestamp_rules) {
  timestamp_rules(3, 61, 0, 61, 1);
  timestamp_rules(5, 1030, 1, 1030, 1);
  timestamp_rules(9, 97, 2, 97, 1);
  timestamp_rules(5, 2053, 30, 1500, 0.1f);
  timestamp_rules(4, 997, 7, 700, 5);
}

TEST(cuda_decoding_race) {
  sample(1, 300, 1);
  top_k(1, 300, 3, 1);
  timestamp_rules(1, 70, 3, 70, 1);
}

}  // namespace whisper::test
