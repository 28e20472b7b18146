// Attention of few queries. Keys and values are read once for all heads, in parts that the threads take; each part is
// an attention of its own, and their results are joined by their log-sums (Flash-Decoding, Dao et al. 2023).
#include "cpu/attention_few.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper::cpu {
namespace {

constexpr int64_t kPart = 256;  // rows of a part, whatever the number of threads: results must not depend on it

// What a call holds, in floats: for each query its parts' results and the log-sums of their heads, and for each thread
// a query and its probabilities.
struct Space {
  int64_t heads, row, parts;  // row: of all heads
  int64_t share;
  float *results, *log_sums, *shares;

  Space(Scratch& scratch, const AttentionSize& size)
      : heads(size.heads),
        row(size.heads * size.width),
        parts(divide_up(size.source, kPart)),
        share(round_up(row, 16) + heads * std::max(kPart, parts)) {
    const int64_t count = size.batch * size.time * parts;
    results = scratch.take<float>(count * (row + heads) + threads() * share);
    log_sums = results + count * row;
    shares = log_sums + count * heads;
  }
  int64_t place(int64_t query, int64_t part) const { return query * parts + part; }
  float* query() const { return shares + thread_index() * share; }
  float* probabilities() const { return query() + round_up(row, 16); }
};

// Query t of a batch entry over the rows of a part that it sees.
void attend_part(const Kernels& kernels, const AttentionSize& size, const Space& space, const In& q, const In& k,
                 const In& v, int64_t b, int64_t t, int64_t part) {
  const int64_t first = part * kPart, n = std::clamp<int64_t>(size.visible(t) - first, 0, kPart);
  const int64_t place = space.place(b * size.time + t, part);
  float* const result = space.results + place * space.row;
  float* const log_sums = space.log_sums + place * space.heads;
  float* const query = space.query();
  float* const p = space.probabilities();
  const Rows keys = head_of(k, b, 0, size.width), values = head_of(v, b, 0, size.width);
  kernels.elementwise.cast(query, head_of(q, b, 0, size.width).row(t), space.row);
  kernels.decode.scores(p, kPart, query, keys.row(first), keys.row_stride, n, size.heads, size.width);
  for (int64_t h = 0; h < size.heads; ++h)
    log_sums[h] = n ? kernels.decode.softmax(p + h * kPart, n, size.scale) : -INFINITY;
  kernels.decode.weighted_sum(result, p, kPart, values.row(first), values.row_stride, n, size.heads, size.width);
}

// The parts of a query, weighted by their share of the sum of exponentials.
void join(const Kernels& kernels, const AttentionSize& size, const Space& space, const Out& o, float* lse, int64_t b,
          int64_t t) {
  const int64_t place = space.place(b * size.time + t, 0);
  float* const results = space.results + place * space.row;
  float* const weights = space.probabilities();
  for (int64_t h = 0; h < size.heads; ++h) {
    const float* const log_sums = space.log_sums + place * space.heads + h;
    const auto of = [&](int64_t part) { return log_sums[part * space.heads]; };
    float most = of(0), sum = 0;
    for (int64_t i = 1; i < space.parts; ++i) most = std::max(most, of(i));
    for (int64_t i = 0; i < space.parts; ++i) sum += weights[h * space.parts + i] = std::exp(of(i) - most);
    for (int64_t i = 0; i < space.parts; ++i) weights[h * space.parts + i] /= sum;
    if (lse) lse[(b * size.heads + h) * size.time + t] = most + std::log(sum);
  }
  float* const joined = space.parts == 1 ? results : space.query();
  if (space.parts > 1)
    kernels.decode.weighted_sum(joined, weights, space.parts, results, space.row, space.parts, size.heads, size.width);
  kernels.elementwise.cast(head_of(o, b, 0, size.width).row(t), joined, space.row);
}

}  // namespace

void attend_few(const Kernels& kernels, const AttentionSize& size, const Out& o, float* lse, const In& q, const In& k,
                const In& v) {
  thread_local Scratch scratch;
  const Space space(scratch, size);
  parallel_for(size.batch * space.parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      for (int64_t t = 0; t < size.time; ++t)
        attend_part(kernels, size, space, q, k, v, i / space.parts, t, i % space.parts);
  });
  const int64_t queries = size.batch * size.time, chunk = std::max<int64_t>(1, (1 << 16) / (space.row * space.parts));
  parallel_for(queries, chunk, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) join(kernels, size, space, o, lse, i / size.time, i % size.time);
  });
}

}  // namespace whisper::cpu
