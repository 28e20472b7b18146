// Attention, forward and backward, for heads of any width in any type: the same algorithms as flash_forward.cuh and
// flash_backward.cuh, where the equations are, in f32 without tensor cores.
//
// A block has 64 queries (or keys) of one head, and 64 columns of what it sums up: wider heads take several blocks,
// each of which makes the scores again.
#include "cuda/attention.h"
#include "cuda/attention_plain.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"

namespace whisper::cuda {
namespace {

constexpr int threads = PlainTile::threads, tile_size = PlainTile::size;

// The place of a block: which rows, and which columns of their sums.
struct Place {
  int first, column, head;

  GPU_FUNCTION explicit Place(const AttentionSize& size)
      : first(static_cast<int>(blockIdx.x / column_tiles(size)) * tile_size),
        column(static_cast<int>(blockIdx.x % column_tiles(size)) * tile_size),
        head(static_cast<int>(blockIdx.z * size.heads + blockIdx.y)) {}
  static constexpr unsigned column_tiles(const AttentionSize& size) {
    return static_cast<unsigned>((size.width + tile_size - 1) / tile_size);
  }
};

// The factors of dropout of a tile of scores whose rows are queries, or keys if `transposed`.
GPU_FUNCTION void put_factors(float* tile, const DropoutFactors& dropout, const AttentionSize& size, int head, int row,
                              int column, bool transposed) {
  for (int i = threadIdx.x; i < tile_size * tile_size; i += threads) {
    const int r = row + i / tile_size, c = column + i % tile_size;
    *at(tile, i / tile_size, i % tile_size) =
        dropout.of(transposed ? size.number(head, c, r) : size.number(head, r, c));
  }
}

GPU_FUNCTION float largest_of_16(float x) {
#pragma unroll
  for (int bits = 8; bits; bits /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffu, x, bits));
  return x;
}
GPU_FUNCTION float sum_of_16(float x) {
#pragma unroll
  for (int bits = 8; bits; bits /= 2) x += __shfl_xor_sync(0xffffffffu, x, bits);
  return x;
}

template <class T>
__global__ void __launch_bounds__(threads)
    plain_forward_kernel(HeadsOf<T> o_heads, float* lse, HeadsOf<const T> q_heads, HeadsOf<const T> k_heads,
                         HeadsOf<const T> v_heads, AttentionSize size, DropoutFactors dropout, bool wide) {
  Shared shared;
  float* const q_tile = shared.take<float>(PlainTile::floats);
  float* const kv_tile = shared.take<float>(PlainTile::floats);
  float* const p_tile = shared.take<float>(PlainTile::floats);
  const int width = static_cast<int>(size.width);
  const Place place(size);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, width);
  const int t0 = place.first, seen = static_cast<int>(min(size.visible(t0 + tile_size - 1), size.source));
  const float scale = size.scale * log2_e;
  float reference[4], sum[4], out[4][4];
  clear(out);
#pragma unroll
  for (int i = 0; i < 4; ++i) reference[i] = -INFINITY, sum[i] = 0;

  for (int s0 = 0; s0 < seen; s0 += tile_size) {
    float s[4][4];
    make_scores(s, q_tile, q, t0, kv_tile, k, s0, width, wide);
    if (size.dropout) put_factors(p_tile, dropout, size, place.head, t0, s0, false);
    __syncthreads();  // nobody reads the keys any more, and the factors are here
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int limit = static_cast<int>(min(size.visible(t0 + thread_row() + 16 * i), size.source)) - s0;
      float largest = -INFINITY;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (thread_column() + 16 * j >= limit) s[i][j] = -INFINITY;
        largest = fmaxf(largest, s[i][j]);
      }
      const float now = fmaxf(reference[i], largest_of_16(largest) * scale), shrunk = fast_exp2(reference[i] - now);
      float added = 0;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        s[i][j] = fast_exp2(fmaf(s[i][j], scale, -now));
        added += s[i][j];
        if (size.dropout) s[i][j] *= *at(p_tile, thread_row() + 16 * i, thread_column() + 16 * j);
        out[i][j] *= shrunk;
      }
      reference[i] = now;
      sum[i] = fmaf(sum[i], shrunk, added);
    }
    put_scores(p_tile, s);
    load_plain(kv_tile, v, s0, place.column, width, wide);
    __syncthreads();
    if (place.column + thread_column() * 4 < width)
      multiply_plain_along(out, p_tile, kv_tile, round_up_four(min(seen - s0, tile_size)));
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int t = t0 + thread_row() + 16 * i;
    sum[i] = sum_of_16(sum[i]);
    if (lse && thread_column() == 0 && place.column == 0 && t < q.count)
      lse[place.head * size.time + t] = fmaf(reference[i], ln_2, logf(sum[i]));
    sum[i] = 1.0f / sum[i];
  }
  store_plain(o_heads.head(blockIdx.z, blockIdx.y, width), t0, place.column, width, out, sum);
}

// dK and dV of 64 keys, whose scores are transposed: rows are keys.
template <class T>
__global__ void __launch_bounds__(threads)
    plain_backward_keys_kernel(HeadsOf<T> dk_heads, HeadsOf<T> dv_heads, HeadsOf<const T> d_o_heads,
                               HeadsOf<const T> q_heads, HeadsOf<const T> k_heads, HeadsOf<const T> v_heads,
                               const float* lse2, const float* delta, AttentionSize size, DropoutFactors dropout,
                               bool wide) {
  Shared shared;
  float* const x_tile = shared.take<float>(PlainTile::floats);
  float* const y_tile = shared.take<float>(PlainTile::floats);
  float* const p_tile = shared.take<float>(PlainTile::floats);
  float* const ds_tile = shared.take<float>(PlainTile::floats);
  const int width = static_cast<int>(size.width);
  const Place place(size);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, width),
                          d_o = d_o_heads.head(blockIdx.z, blockIdx.y, width);
  const int s0 = place.first;
  float dk[4][4], dv[4][4];
  clear(dk);
  clear(dv);
  for (int t0 = static_cast<int>(size.first_to_see(s0)) / tile_size * tile_size; t0 < q.count; t0 += tile_size) {
    float s[4][4], dp[4][4];
    make_scores(s, x_tile, k, s0, y_tile, q, t0, width, wide);
    make_scores(dp, x_tile, v, s0, y_tile, d_o, t0, width, wide);
    if (size.dropout) put_factors(p_tile, dropout, size, place.head, s0, t0, true);
    __syncthreads();  // nobody reads the tiles any more, and the factors are here
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int t = t0 + thread_column() + 16 * j;
      const bool exists = t < q.count;
      const int64_t query = place.head * size.time + (exists ? t : 0);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = s0 + thread_row() + 16 * i;
        const float factor = size.dropout ? *at(p_tile, thread_row() + 16 * i, thread_column() + 16 * j) : 1.0f;
        dp[i][j] = score_gradient(s[i][j], dp[i][j], size.scale * log2_e, lse2[query], delta[query], factor,
                                  exists && key < size.visible(t));
      }
    }
    put_scores(p_tile, s);
    put_scores(ds_tile, dp);
    load_plain(x_tile, d_o, t0, place.column, width, wide);
    load_plain(y_tile, q, t0, place.column, width, wide);
    __syncthreads();
    if (place.column + thread_column() * 4 < width) {
      const int depth = round_up_four(min(q.count - t0, tile_size));
      multiply_plain_along(dv, p_tile, x_tile, depth);
      multiply_plain_along(dk, ds_tile, y_tile, depth);
    }
  }
  const float scale[4] = {size.scale, size.scale, size.scale, size.scale}, one[4] = {1, 1, 1, 1};
  store_plain(dk_heads.head(blockIdx.z, blockIdx.y, width), s0, place.column, width, dk, scale);
  store_plain(dv_heads.head(blockIdx.z, blockIdx.y, width), s0, place.column, width, dv, one);
}

// dQ of 64 queries.
template <class T>
__global__ void __launch_bounds__(threads)
    plain_backward_queries_kernel(HeadsOf<T> dq_heads, HeadsOf<const T> d_o_heads, HeadsOf<const T> q_heads,
                                  HeadsOf<const T> k_heads, HeadsOf<const T> v_heads, const float* lse2,
                                  const float* delta, AttentionSize size, DropoutFactors dropout, bool wide) {
  Shared shared;
  float* const x_tile = shared.take<float>(PlainTile::floats);
  float* const y_tile = shared.take<float>(PlainTile::floats);
  float* const ds_tile = shared.take<float>(PlainTile::floats);
  const int width = static_cast<int>(size.width);
  const Place place(size);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, width),
                          d_o = d_o_heads.head(blockIdx.z, blockIdx.y, width);
  const int t0 = place.first, seen = static_cast<int>(min(size.visible(t0 + tile_size - 1), size.source));
  float dq[4][4];
  clear(dq);
  for (int s0 = 0; s0 < seen; s0 += tile_size) {
    float s[4][4], dp[4][4];
    make_scores(s, x_tile, q, t0, y_tile, k, s0, width, wide);
    make_scores(dp, x_tile, d_o, t0, y_tile, v, s0, width, wide);
    if (size.dropout) put_factors(ds_tile, dropout, size, place.head, t0, s0, false);
    __syncthreads();  // nobody reads the tiles any more, and the factors are here
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int t = min(t0 + thread_row() + 16 * i, q.count - 1);  // rows beyond are not stored
      const int limit = static_cast<int>(size.visible(t)) - s0;
      const int64_t query = place.head * size.time + t;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float factor = size.dropout ? *at(ds_tile, thread_row() + 16 * i, thread_column() + 16 * j) : 1.0f;
        dp[i][j] = score_gradient(s[i][j], dp[i][j], size.scale * log2_e, lse2[query], delta[query], factor,
                                  thread_column() + 16 * j < limit);
      }
    }
    put_scores(ds_tile, dp);
    load_plain(y_tile, k, s0, place.column, width, wide);
    __syncthreads();
    if (place.column + thread_column() * 4 < width)
      multiply_plain_along(dq, ds_tile, y_tile, round_up_four(min(seen - s0, tile_size)));
  }
  const float scale[4] = {size.scale, size.scale, size.scale, size.scale};
  store_plain(dq_heads.head(blockIdx.z, blockIdx.y, width), t0, place.column, width, dq, scale);
}

// A grid over tiles of so many rows, with so many tiles of shared memory.
Grid grid_of(const AttentionSize& size, int64_t rows, int tiles) {
  return {.x = blocks(rows, tile_size) * blocks(size.width, tile_size),
          .y = size.heads,
          .z = size.batch,
          .threads = threads,
          .shared = tiles * PlainTile::floats * sizeof(float)};
}

// Heads of 64 come aligned to 16 bytes.
bool four_at_a_time(const AttentionSize& size) { return size.width == 64; }

}  // namespace

void attend_plain(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x) {
  typed(size.type, [&](auto element) {
    using T = decltype(element);
    launch(backend.device(), "attention", grid_of(size, size.time, 3), plain_forward_kernel<T>, HeadsOf<T>(x.o), x.lse,
           HeadsOf<const T>(x.q), HeadsOf<const T>(x.k), HeadsOf<const T>(x.v), size, DropoutFactors(size.dropout),
           four_at_a_time(size));
  });
}

void attend_plain_backward(CudaBackend& backend, const AttentionSize& size, const AttentionBackward& x) {
  typed(size.type, [&](auto element) {
    using T = decltype(element);
    const HeadsOf<const T> d_o(x.d_o), q(x.q), k(x.k), v(x.v);
    const DropoutFactors dropout(size.dropout);
    const bool wide = four_at_a_time(size);
    launch(backend.device(), "attention_backward", grid_of(size, size.source, 4), plain_backward_keys_kernel<T>,
           HeadsOf<T>(x.dk), HeadsOf<T>(x.dv), d_o, q, k, v, x.lse2, x.delta, size, dropout, wide);
    if (size.time == 0) return;
    launch(backend.device(), "attention_backward", grid_of(size, size.time, 3), plain_backward_queries_kernel<T>,
           HeadsOf<T>(x.dq), d_o, q, k, v, x.lse2, x.delta, size, dropout, wide);
  });
}

}  // namespace whisper::cuda
