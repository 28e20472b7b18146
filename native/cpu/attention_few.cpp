// Attention of few queries, as in decoding: scores, softmax and weighted sum straight from the rows of the cache, as it
// is stored.
#include "cpu/attention_few.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper::cpu {

void attend_few(const Kernels& kernels, const AttentionSize& size, const Out& o, float* lse, const In& q, const In& k,
                const In& v) {
  thread_local Scratch scratch;
  const int64_t share = round_up(size.width, 16) + size.source;
  float* const memory = scratch.take<float>(share * threads());
  const int64_t count = size.batch * size.heads, chunk = std::max<int64_t>(1, (1 << 16) / (size.source * size.width));
  parallel_for(count, chunk, [&](int64_t begin, int64_t end) {
    float* const query = memory + thread_index() * share;
    float* const p = query + round_up(size.width, 16);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / size.heads, h = i % size.heads;
      const Rows queries = head_of(q, b, h, size.width), keys = head_of(k, b, h, size.width);
      const Rows values = head_of(v, b, h, size.width);
      for (int64_t t = 0; t < size.time; ++t) {
        const int64_t n = size.visible(t);
        kernels.elementwise.cast(query, queries.row(t), size.width);
        kernels.row_products.dots(1, n, size.width, &query, keys.data, keys.row_stride, nullptr, &p);
        const float log_sum = kernels.attention.softmax(p, n, size.scale);
        if (lse) lse[i * size.time + t] = log_sum;
        kernels.attention.weighted_sum(head_of(o, b, h, size.width).row(t), p, values.data, values.row_stride, n,
                                       size.width);
      }
    }
  });
}

}  // namespace whisper::cpu
