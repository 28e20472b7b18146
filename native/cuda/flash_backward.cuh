// Attention backward on tensor cores, for heads of 64 in 16 bits (FlashAttention-2, arXiv:2307.08691, algorithm 2). The
// probabilities P are made again from the log-sum-exp of the forward pass, and so are dropout's factors M (1 without
// it). With delta = Σ dO∘O per query:
//
//     P = exp(scale·Q·Kᵀ - lse)    dV = (M∘P)ᵀ·dO    dS = P∘(M∘(dO·Vᵀ) - delta)
//     dQ = scale·dS·K              dK = scale·dSᵀ·Q
//
// One kernel goes through the queries for dK and dV of some keys, another through the keys for dQ of some queries: the
// scores are made twice, and no sum is shared by two blocks, so that the order of every sum is fixed. M∘P and dS are
// rounded to the type of the operands before they are multiplied.
#pragma once
#include "cuda/attention_tiles.cuh"

namespace whisper::cuda {

// What the backward pass knows of each query, [B, heads, T]: the log-sum-exp times log₂e, and delta.
struct QueryStatistics {
  const float *lse2, *delta;

  GPU_FUNCTION QueryStatistics head(int64_t first) const { return {lse2 + first, delta + first}; }
};

struct FlashBackwardKeys {
  static constexpr int threads = 128;
  static constexpr int keys = threads / 32 * 16;  // of a block; a warp has 16
  static constexpr int queries = 64;              // loaded at a time
  static constexpr int part = 32;                 // queries whose scores are made at a time
  static constexpr size_t shared = (2 * keys + 4 * queries) * head_width * sizeof(f16) + 4 * queries * sizeof(float);
};

// dK and dV of 64 keys. Scores are made transposed, Sᵀ = K·Qᵀ and dPᵀ = V·dOᵀ, so that Pᵀ and dSᵀ are the factors A of
// dV and dK as they come. Three blocks fit into a processor, two with dropout.
template <class T, bool dropped>
__global__ void __launch_bounds__(FlashBackwardKeys::threads, dropped ? 2 : 3)
    flash_backward_keys_kernel(HeadsOf<T> dk_heads, HeadsOf<T> dv_heads, HeadsOf<const T> d_o_heads,
                               HeadsOf<const T> q_heads, HeadsOf<const T> k_heads, HeadsOf<const T> v_heads,
                               QueryStatistics statistics, AttentionSize size, DropoutFactors dropout) {
  using Tile = FlashBackwardKeys;
  constexpr int threads = Tile::threads, queries = Tile::queries, part = Tile::part;
  Shared shared;
  T* const k_tile = shared.take<T>(Tile::keys * head_width);
  T* const v_tile = shared.take<T>(Tile::keys * head_width);
  T* const q_tiles = shared.take<T>(2 * queries * head_width);
  T* const d_o_tiles = shared.take<T>(2 * queries * head_width);
  float* const lse2_tiles = shared.take<float>(2 * queries);
  float* const delta_tiles = shared.take<float>(2 * queries);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, head_width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, head_width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, head_width),
                          d_o = d_o_heads.head(blockIdx.z, blockIdx.y, head_width);
  const int head = static_cast<int>(blockIdx.z * size.heads + blockIdx.y);
  const int s0 = static_cast<int>(blockIdx.x) * Tile::keys, first_key = warp() * 16;
  const int first_step = static_cast<int>(size.first_to_see(s0)) / queries, steps = (q.count + queries - 1) / queries;

  // A thread loads one number of what is known of the queries.
  static_assert(threads == 2 * queries);
  const int my_query = threadIdx.x % queries;
  float* const known_tiles = threadIdx.x < queries ? lse2_tiles : delta_tiles;
  const float* const known = (threadIdx.x < queries ? statistics.lse2 : statistics.delta) + head * size.time;
  // Queries that do not exist are zero, and so are what is known of them and what they add to dK and dV.
  const auto load_queries = [&](int step) {
    const int at = step % 2 * queries, t = step * queries + my_query;
    load_tile<queries, threads>(q_tiles + at * head_width, q, step * queries);
    load_tile<queries, threads>(d_o_tiles + at * head_width, d_o, step * queries);
    const bool exists = t < q.count;
    copy_async4(known_tiles + at + my_query, known + (exists ? t : 0), exists ? 4 : 0);
  };
  load_tile<Tile::keys, threads>(k_tile, k, s0);
  load_tile<Tile::keys, threads>(v_tile, v, s0);
  if (first_step < steps) load_queries(first_step);
  commit_copies();

  float dk[1][width_tiles][4], dv[1][width_tiles][4];
  clear(dk);
  clear(dv);
  uint32_t k_rows[width_steps][1][4], v_rows[width_steps][1][4];
  for (int step = first_step; step < steps; ++step) {
    wait_for_copies<0>();
    __syncthreads();  // the queries are here, and nobody reads the ones before any more
    if (step + 1 < steps) load_queries(step + 1);
    commit_copies();
    if (step == first_step)
#pragma unroll
      for (int w = 0; w < width_steps; ++w) {
        load_a(k_rows[w][0], k_tile, first_key, w);
        load_a(v_rows[w][0], v_tile, first_key, w);
      }
    const int at = step % 2 * queries;
    const T *const q_tile = q_tiles + at * head_width, *const d_o_tile = d_o_tiles + at * head_width;
    const bool all_seen = size.visible(step * queries) >= s0 + Tile::keys;

#pragma unroll 1
    for (int first = 0; first < queries; first += part) {
      float s[1][part / 8][4], dp[1][part / 8][4];
      clear(s);
      clear(dp);
#pragma unroll
      for (int w = 0; w < width_steps; ++w) {
        multiply_across(s, k_rows[w], q_tile, first, w);
        multiply_across(dp, v_rows[w], d_o_tile, first, w);
      }
      uint32_t p_rows[part / 16][1][4], ds_rows[part / 16][1][4];
#pragma unroll
      for (int j = 0; j < part / 8; ++j) {
        float ds[4];
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int c = first + j * 8 + column_of(e), t = step * queries + c, key = s0 + first_key + row_of(e);
          const float factor = dropped ? dropout.of(size.number(head, t, key)) : 1.0f;
          ds[e] = score_gradient(s[0][j][e], dp[0][j][e], size.scale * log2_e, lse2_tiles[at + c], delta_tiles[at + c],
                                 factor, all_seen || key < size.visible(t));
        }
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          p_rows[j / 2][0][j % 2 * 2 + half] = pack<T>(s[0][j][2 * half], s[0][j][2 * half + 1]);
          ds_rows[j / 2][0][j % 2 * 2 + half] = pack<T>(ds[2 * half], ds[2 * half + 1]);
        }
      }
#pragma unroll
      for (int n = 0; n < part / 16; ++n) {
        multiply_along(dv, p_rows[n], d_o_tile, first + n * 16);
        multiply_along(dk, ds_rows[n], q_tile, first + n * 16);
      }
    }
  }
  wait_for_copies<0>();

  const HeadRows<T> dk_rows = dk_heads.head(blockIdx.z, blockIdx.y, head_width),
                    dv_rows = dv_heads.head(blockIdx.z, blockIdx.y, head_width);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int key = s0 + first_key + row_of(2 * half);
    if (key >= k.count) continue;
    store_row(dk_rows.row(key), dk[0], 2 * half, size.scale);
    store_row(dv_rows.row(key), dv[0], 2 * half, 1.0f);
  }
}

struct FlashBackwardQueries {
  static constexpr int threads = 128, rows = 2;             // rows: of 16 queries each, of a warp
  static constexpr int queries = threads / 32 * rows * 16;  // of a block
  static constexpr int keys = 64;                           // loaded at a time
  static constexpr int part = 32;                           // keys whose scores are made at a time
  static constexpr size_t shared = (2 * queries + 4 * keys) * head_width * sizeof(f16);
};

// dQ of 128 queries.
template <class T, bool dropped>
__global__ void __launch_bounds__(FlashBackwardQueries::threads)
    flash_backward_queries_kernel(HeadsOf<T> dq_heads, HeadsOf<const T> d_o_heads, HeadsOf<const T> q_heads,
                                  HeadsOf<const T> k_heads, HeadsOf<const T> v_heads, QueryStatistics statistics,
                                  AttentionSize size, DropoutFactors dropout) {
  using Tile = FlashBackwardQueries;
  constexpr int threads = Tile::threads, keys = Tile::keys, part = Tile::part, rows = Tile::rows;
  Shared shared;
  T* const q_tile = shared.take<T>(Tile::queries * head_width);
  T* const d_o_tile = shared.take<T>(Tile::queries * head_width);
  T* const k_tiles = shared.take<T>(2 * keys * head_width);
  T* const v_tiles = shared.take<T>(2 * keys * head_width);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, head_width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, head_width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, head_width),
                          d_o = d_o_heads.head(blockIdx.z, blockIdx.y, head_width);
  // The last queries of a causal attention see the most keys, so that they go first.
  const int t0 = static_cast<int>(gridDim.x - 1 - blockIdx.x) * Tile::queries;
  const int head = static_cast<int>(blockIdx.z * size.heads + blockIdx.y);
  const int seen = static_cast<int>(min(size.visible(t0 + Tile::queries - 1), size.source));  // by the last query
  const int seen_by_all = static_cast<int>(size.visible(t0));
  const int steps = (seen + keys - 1) / keys, first_row = warp() * rows * 16;

  const auto load_keys = [&](int step) {
    load_tile<keys, threads>(k_tiles + step % 2 * keys * head_width, k, step * keys);
    load_tile<keys, threads>(v_tiles + step % 2 * keys * head_width, v, step * keys);
  };
  load_tile<Tile::queries, threads>(q_tile, q, t0);
  load_tile<Tile::queries, threads>(d_o_tile, d_o, t0);
  load_keys(0);
  commit_copies();

  const QueryStatistics of_head = statistics.head(head * size.time);
  float lse2[rows][2], delta[rows][2], dq[rows][width_tiles][4];
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int t = min(t0 + first_row + i * 16 + row_of(2 * half), q.count - 1);  // rows beyond are not stored
      lse2[i][half] = of_head.lse2[t];
      delta[i][half] = of_head.delta[t];
    }
  clear(dq);
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<0>();
    __syncthreads();  // the keys are here, and nobody reads the ones before any more
    if (step + 1 < steps) load_keys(step + 1);
    commit_copies();
    const T *const k_tile = k_tiles + step % 2 * keys * head_width, *const v_tile =
                                                                        v_tiles + step % 2 * keys * head_width;
    const bool all_seen = (step + 1) * keys <= seen_by_all;

#pragma unroll 1
    for (int first = 0; first < keys; first += part) {
      float s[rows][part / 8][4], dp[rows][part / 8][4];
      clear(s);
      clear(dp);
#pragma unroll
      for (int w = 0; w < width_steps; ++w) {
        uint32_t q_rows[rows][4], d_o_rows[rows][4];
#pragma unroll
        for (int i = 0; i < rows; ++i) {
          load_a(q_rows[i], q_tile, first_row + i * 16, w);
          load_a(d_o_rows[i], d_o_tile, first_row + i * 16, w);
        }
        multiply_across(s, q_rows, k_tile, first, w);
        multiply_across(dp, d_o_rows, v_tile, first, w);
      }
      uint32_t ds_rows[part / 16][rows][4];
#pragma unroll
      for (int i = 0; i < rows; ++i)
#pragma unroll
        for (int j = 0; j < part / 8; ++j)
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            const int t = t0 + first_row + i * 16 + row_of(2 * half);
            const int key = step * keys + first + j * 8 + column_of(0);
            float2 factor{1, 1};
            if constexpr (dropped) factor = dropout.of_two(size.number(head, t, key));
            float ds[2];
#pragma unroll
            for (int e = 0; e < 2; ++e)
              ds[e] = score_gradient(s[i][j][2 * half + e], dp[i][j][2 * half + e], size.scale * log2_e, lse2[i][half],
                                     delta[i][half], e ? factor.y : factor.x, all_seen || key + e < size.visible(t));
            ds_rows[j / 2][i][j % 2 * 2 + half] = pack<T>(ds[0], ds[1]);
          }
#pragma unroll
      for (int n = 0; n < part / 16; ++n) multiply_along(dq, ds_rows[n], k_tile, first + n * 16);
    }
  }
  wait_for_copies<0>();

  const HeadRows<T> dq_rows = dq_heads.head(blockIdx.z, blockIdx.y, head_width);
#pragma unroll
  for (int i = 0; i < rows; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int t = t0 + first_row + i * 16 + row_of(2 * half);
      if (t < q.count) store_row(dq_rows.row(t), dq[i], 2 * half, size.scale);
    }
}

}  // namespace whisper::cuda
