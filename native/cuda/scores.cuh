// Rows of logits under a mask, as blocks that choose a token of one go through them: each of 32 warps takes a share.
#pragma once
#include "core/sampling.h"
#include "cuda/reduce.cuh"
#include "cuda/vector.cuh"

namespace whisper::cuda {

// A row, loaded in runs of n elements, which its width is a multiple of. mask may be null.
template <int n>
struct Scores {
  static constexpr int threads = 32 * row_shares;

  const float *row, *mask;
  int64_t width;

  GPU_FUNCTION float operator[](int64_t i) const { return mask ? row[i] + mask[i] : row[i]; }
  // f(x, i) for the elements of [begin, end), which are runs, that a thread takes: the first run, and then each
  // `step`-th.
  template <class F>
  GPU_FUNCTION void each(int64_t begin, int64_t end, int step, F f) const {
#pragma unroll(8 / n)
    for (int64_t i = begin; i < end; i += int64_t{step} * n) {
      float x[n], m[n] = {};
      load_run(x, row + i);
      if (mask) load_run(m, mask + i);
#pragma unroll
      for (int j = 0; j < n; ++j) f(mask ? x[j] + m[j] : x[j], i + j);
    }
  }
  // The same for the share of the warp.
  template <class F>
  GPU_FUNCTION void each_of_share(F f) const {
    const int64_t share = share_of_row(width), begin = threadIdx.x / 32 * share;
    each(begin + threadIdx.x % 32 * n, min(begin + share, width), 32, f);
  }
};

// f(Run<n>) with the longest run that rows allow.
template <class F>
void choose_run_of_scores(const float* logits, const float* mask, int64_t width, F f) {
  choose_run<4>(width % 4 == 0 && aligned(logits, 4) && aligned(mask, 4), f);
}

}  // namespace whisper::cuda
