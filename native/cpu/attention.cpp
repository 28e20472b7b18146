// Attention, softmax(scale·Q·Kᵀ)·V for each head, and its gradients.
#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

void check(const char* op, const View& q, const View& k, const View& v, int heads) {
  const bool fits = q.shape.rank == 3 && k.shape.rank == 3 && v.shape == k.shape && q.shape[0] == k.shape[0] &&
                    q.shape[2] == k.shape[2];
  if (!fits) fail(Code::ShapeMismatch, op, ": q ", q.shape, ", k ", k.shape, " and v ", v.shape, " do not fit each other");
  if (heads < 1 || q.shape[2] % heads) fail(Code::ShapeMismatch, op, ": ", heads, " heads do not divide rows of ", q.shape[2]);
}

}  // namespace

void CpuBackend::attention(Out o, Out lse, In q, In k, In v, int heads, bool causal) {
  check("attention", q, k, v, heads);
  const int64_t batch = q.shape[0], time = q.shape[1], source = k.shape[1], width = q.shape[2] / heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  thread_local cpu::Scratch scratch;
  float* const scores = scratch.take<float>(source * cpu::threads());
  cpu::parallel_for(batch * heads * time, std::max<int64_t>(1, 65536 / (source * width)), [&](int64_t begin, int64_t end) {
    float* const p = scores + cpu::thread_index() * source;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / (heads * time), h = i / time % heads, t = i % time, at = h * width;
      const int64_t n = causal ? source - time + t + 1 : source;
      const float* query = q.row_of<float>(b * time + t) + at;
      kernels_.gemm.dots(1, n, width, &query, k.row_of<float>(b * source) + at, k.row_stride, nullptr, &p);
      const float log_sum = kernels_.attention.softmax(p, n, scale);
      if (lse) lse.as<float>()[i] = log_sum;
      kernels_.attention.weighted_sum(o.row_of<float>(b * time + t) + at, p, v.row_of<float>(b * source) + at,
                                      v.row_stride, n, width);
    }
  });
}

void CpuBackend::attention_backward(Out dq, Out dk, Out dv, In d_o, In q, In k, In v, In o, In lse, int heads, bool causal) {
  check("attention_backward", q, k, v, heads);
  const int64_t batch = q.shape[0], time = q.shape[1], source = k.shape[1], width = q.shape[2] / heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(width));
  thread_local cpu::Scratch scratch;
  float* const rows = scratch.take<float>(2 * source * cpu::threads());
  cpu::parallel_for(batch * heads, 1, [&](int64_t begin, int64_t end) {
    float* p = rows + 2 * cpu::thread_index() * source;
    float* dp = p + source;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / heads, at = i % heads * width;
      for (int64_t s = 0; s < source; ++s) {
        std::fill_n(dk.row_of<float>(b * source + s) + at, width, 0.0f);
        std::fill_n(dv.row_of<float>(b * source + s) + at, width, 0.0f);
      }
      for (int64_t t = 0; t < time; ++t) {
        const int64_t n = causal ? source - time + t + 1 : source;
        const float *query = q.row_of<float>(b * time + t) + at, *gradient = d_o.row_of<float>(b * time + t) + at;
        const float* output = o.row_of<float>(b * time + t) + at;
        kernels_.gemm.dots(1, n, width, &query, k.row_of<float>(b * source) + at, k.row_stride, nullptr, &p);
        kernels_.gemm.dots(1, n, width, &gradient, v.row_of<float>(b * source) + at, v.row_stride, nullptr, &dp);
        float delta = 0;
        for (int64_t j = 0; j < width; ++j) delta += gradient[j] * output[j];
        for (int64_t s = 0; s < n; ++s) {
          p[s] = std::exp(scale * p[s] - lse.as<float>()[i * time + t]);
          dp[s] = scale * p[s] * (dp[s] - delta);
          kernels_.attention.add_scaled(dv.row_of<float>(b * source + s) + at, p[s], gradient, width);
          kernels_.attention.add_scaled(dk.row_of<float>(b * source + s) + at, dp[s], query, width);
        }
        kernels_.attention.weighted_sum(dq.row_of<float>(b * time + t) + at, dp, k.row_of<float>(b * source) + at,
                                        k.row_stride, n, width);
      }
    }
  });
}

}  // namespace whisper
