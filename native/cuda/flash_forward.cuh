// Attention forward on tensor cores, for heads of 64 in 16 bits (Dao, FlashAttention-2, arXiv:2307.08691, algorithm 1).
//
// A block has 128 queries of one head, each of its warps 32 of them (16 with dropout, whose generator takes registers),
// and goes through the keys 64 at a time. A query keeps the largest score so far as its reference r, in base 2; scores
// count from there:
//
//     S = Q·Kᵀ    r' = max(r, max S·scale·log₂e)    P = 2^(S·scale·log₂e - r')
//     sum' = 2^(r - r')·sum + Σ P    O' = 2^(r - r')·O + P·V    at the end O / sum, lse = r·ln 2 + ln sum
//
// P is rounded to the type of V before it is multiplied. Keys are loaded while the scores of the ones before are used,
// values while the next scores are made.
#pragma once
#include "cuda/attention_tiles.cuh"

namespace whisper::cuda {

template <bool dropped>
struct FlashForward {
  static constexpr int threads = 128, rows = dropped ? 1 : 2;  // rows: of 16 queries each, of a warp
  static constexpr int queries = threads / 32 * rows * 16;     // of a block
  static constexpr int keys = 64, columns = keys / 8;          // at a time; columns: of 8 keys each
  static constexpr size_t shared = (queries + 4 * keys) * head_width * sizeof(f16);
  using Scores = float[rows][columns][4];
  using Factors = uint32_t[columns / 2][rows][4];  // by steps of 16 keys
  using Sums = float[rows][width_tiles][4];

  // Of the queries of a lane, two in each row.
  float reference[rows][2], sum[rows][2];
  Sums out;

  GPU_FUNCTION FlashForward() {
#pragma unroll
    for (int i = 0; i < rows; ++i) {
      reference[i][0] = reference[i][1] = -INFINITY;
      sum[i][0] = sum[i][1] = 0;
    }
    clear(out);
  }

  // Makes P of S. `factors(i, j, e)` is what dropout multiplies elements e and e + 1 of scores [i][j] by.
  template <class T, class F>
  GPU_FUNCTION void softmax(Factors& p, const Scores& s, float scale, F factors) {
#pragma unroll
    for (int i = 0; i < rows; ++i)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int e = 2 * half;
        float largest = -INFINITY;
#pragma unroll
        for (int j = 0; j < columns; ++j) largest = fmaxf(largest, fmaxf(s[i][j][e], s[i][j][e + 1]));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
        const float before = reference[i][half], now = fmaxf(before, largest * scale);
        const float shrunk = fast_exp2(before - now);
        float added = 0;
#pragma unroll
        for (int j = 0; j < columns; ++j) {
          float2 x{fast_exp2(fmaf(s[i][j][e], scale, -now)), fast_exp2(fmaf(s[i][j][e + 1], scale, -now))};
          added += x.x + x.y;
          if constexpr (dropped) {
            const float2 factor = factors(i, j, e);
            x = {x.x * factor.x, x.y * factor.y};
          }
          p[j / 2][i][j % 2 * 2 + half] = pack<T>(x.x, x.y);
        }
        reference[i][half] = now;
        sum[i][half] = fmaf(sum[i][half], shrunk, added);
#pragma unroll
        for (int j = 0; j < width_tiles; ++j) {
          out[i][j][e] *= shrunk;
          out[i][j][e + 1] *= shrunk;
        }
      }
  }
};

template <class T, bool dropped>
__global__ void __launch_bounds__(FlashForward<dropped>::threads)
    flash_forward_kernel(HeadsOf<T> o_heads, float* lse, HeadsOf<const T> q_heads, HeadsOf<const T> k_heads,
                         HeadsOf<const T> v_heads, AttentionSize size, DropoutFactors dropout) {
  using Tile = FlashForward<dropped>;
  constexpr int threads = Tile::threads, keys = Tile::keys;
  Shared shared;
  T* const q_tile = shared.take<T>(Tile::queries * head_width);
  T* const k_tiles = shared.take<T>(2 * keys * head_width);
  T* const v_tiles = shared.take<T>(2 * keys * head_width);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, head_width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, head_width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, head_width);
  // The last queries of a causal attention see the most keys, so that they go first.
  const int t0 = static_cast<int>(gridDim.x - 1 - blockIdx.x) * Tile::queries;
  const int head = static_cast<int>(blockIdx.z * size.heads + blockIdx.y);
  const int seen = static_cast<int>(min(size.visible(t0 + Tile::queries - 1), size.source));  // by the last query
  const int seen_by_all = static_cast<int>(size.visible(t0));
  const int steps = (seen + keys - 1) / keys;
  const int first_row = warp() * Tile::rows * 16;
  const auto tile_of = [&](T* tiles, int step) { return tiles + step % 2 * keys * head_width; };

  load_tile<Tile::queries, threads>(q_tile, q, t0);
  load_tile<keys, threads>(k_tiles, k, 0);
  commit_copies();
  load_tile<keys, threads>(v_tiles, v, 0);
  commit_copies();

  Tile state;
  uint32_t q_rows[width_steps][Tile::rows][4];
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<1>();
    __syncthreads();  // the keys are here, and nobody reads the ones before any more
    if (step + 1 < steps) load_tile<keys, threads>(tile_of(k_tiles, step + 1), k, (step + 1) * keys);
    commit_copies();
    if (step == 0)
#pragma unroll
      for (int w = 0; w < width_steps; ++w)
#pragma unroll
        for (int i = 0; i < Tile::rows; ++i) load_a(q_rows[w][i], q_tile, first_row + i * 16, w);

    typename Tile::Scores s;
    clear(s);
#pragma unroll
    for (int w = 0; w < width_steps; ++w) multiply_across(s, q_rows[w], tile_of(k_tiles, step), 0, w);

    const auto query = [&](int i, int e) { return t0 + first_row + i * 16 + row_of(e); };
    const auto key = [&](int j, int e) { return step * keys + j * 8 + column_of(e); };
    if ((step + 1) * keys > seen_by_all)
#pragma unroll
      for (int i = 0; i < Tile::rows; ++i)
#pragma unroll
        for (int j = 0; j < Tile::columns; ++j)
#pragma unroll
          for (int e = 0; e < 4; ++e)
            if (key(j, e) >= size.visible(query(i, e))) s[i][j][e] = -INFINITY;
    typename Tile::Factors p;
    state.template softmax<T>(p, s, size.scale * log2_e, [&](int i, int j, int e) {
      return dropout.of_two(size.number(head, query(i, e), key(j, e)));
    });

    wait_for_copies<1>();
    __syncthreads();  // the values are here, and nobody reads the ones before any more
    if (step + 1 < steps) load_tile<keys, threads>(tile_of(v_tiles, step + 1), v, (step + 1) * keys);
    commit_copies();
#pragma unroll
    for (int n = 0; n < keys / 16; ++n) multiply_along(state.out, p[n], tile_of(v_tiles, step), n * 16);
  }
  wait_for_copies<0>();

  const HeadRows<T> o = o_heads.head(blockIdx.z, blockIdx.y, head_width);
#pragma unroll
  for (int i = 0; i < Tile::rows; ++i)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = state.sum[i][half];
      sum += __shfl_xor_sync(0xffffffffu, sum, 1);
      sum += __shfl_xor_sync(0xffffffffu, sum, 2);
      const int t = t0 + first_row + i * 16 + row_of(2 * half);
      if (t >= o.count) continue;
      store_row(o.row(t), state.out[i], 2 * half, 1.0f / sum);
      if (lse && lane() % 4 == 0) lse[head * size.time + t] = fmaf(state.reference[i][half], ln_2, logf(sum));
    }
}

}  // namespace whisper::cuda
