// What all kernels of attention share: heads of an operand as kernels see them, and the factors of dropout.
#pragma once
#include <bit>
#include <gpu/numbers.cuh>

#include "core/attention_size.h"

namespace whisper::cuda {

using namespace gpu;  // these headers are for kernels only

constexpr float log2_e = 1.4426950408889634f, ln_2 = 0.6931471805599453f;

// Rows of one head of one batch entry: its queries or its keys.
template <class T>
struct HeadRows {
  T* data;
  int64_t stride;
  int count;

  GPU_FUNCTION T* row(int r) const { return data + r * stride; }
};

// All heads of an operand [B, rows, heads·width].
template <class T>
struct HeadsOf {
  T* data;
  int64_t batch_stride, row_stride;
  int rows;

  explicit HeadsOf(const View& v)
      : data(static_cast<T*>(v.address)),
        batch_stride(v.batch_stride),
        row_stride(v.row_stride),
        rows(static_cast<int>(v.shape[1])) {}
  GPU_FUNCTION HeadRows<T> head(unsigned batch, unsigned head, int64_t width) const {
    return {data + batch * batch_stride + head * width, row_stride, rows};
  }
};

// What dropout multiplies a probability by, 0 or 1/(1 - rate), by the number of the probability.
struct DropoutFactors {
  Dropout dropout;
  uint32_t threshold;
  float kept;

  explicit DropoutFactors(const Dropout& dropout)
      : dropout(dropout), threshold(dropout.threshold()), kept(dropout.scale()) {}

  GPU_FUNCTION float of(uint64_t number) const { return factor(element(dropout.numbers(number / 4), number % 4)); }
  // Of this number and the next, which are mostly drawn together.
  GPU_FUNCTION float2 of_two(uint64_t number) const {
    const auto drawn = dropout.numbers(number / 4);
    const unsigned place = number % 4;
    const uint32_t second = place == 3 ? dropout.numbers(number / 4 + 1)[0] : element(drawn, place + 1);
    return {factor(element(drawn, place)), factor(second)};
  }

 private:
  // drawn[place] without an address, so that the numbers stay in registers.
  GPU_FUNCTION static uint32_t element(const std::array<uint32_t, 4>& drawn, unsigned place) {
    const uint32_t low = place & 1 ? drawn[1] : drawn[0], high = place & 1 ? drawn[3] : drawn[2];
    return place & 2 ? high : low;
  }
  GPU_FUNCTION float factor(uint32_t drawn) const { return drawn < threshold ? 0.0f : kept; }
};

// dS of one element of the backward pass (flash_backward.cuh), and M∘P in place of its score. `factor` is its M.
GPU_FUNCTION float score_gradient(float& score, float dp, float scale, float lse2, float delta, float factor,
                                  bool seen) {
  const float p = seen ? fast_exp2(fmaf(score, scale, -lse2)) : 0.0f;
  score = p * factor;
  return p * (dp * factor - delta);
}

}  // namespace whisper::cuda
