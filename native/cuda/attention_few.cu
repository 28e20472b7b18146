// Attention of few queries, as in decoding, for heads of 64 in any type (Flash-Decoding, Dao et al. 2023). What takes
// time is reading the keys and values: each is read once for all queries, by many blocks at once.
//
// The source is cut into parts of 256 keys, whatever the card. A block makes of its part, for each query,
//
//     r = max S·scale·log₂e    sum = Σ P with P = 2^(S·scale·log₂e - r)    out = P·V
//
// and parts are joined with the weights 2^(r - max r), by a second launch where there are several.
#include <bit>

#include "cuda/attention.h"
#include "cuda/attention_heads.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"

namespace whisper::cuda {
namespace {

constexpr int threads = 256, warps = threads / 32;
constexpr int part = threads;  // keys of a part: one for each thread
constexpr int width = 64;      // of a head

// How the elements of a row are dealt out: 16 bytes to a lane, so that a warp reads some rows at once.
template <class T>
struct Lanes {
  static constexpr int elements = 16 / sizeof(T);  // of a lane
  static constexpr int of_row = width / elements;
  static constexpr int rows = 32 / of_row;  // of a warp at once
  static constexpr int steps = part / warps / rows;

  // This lane's element of a row, and its row of those that the block reads in a step.
  GPU_FUNCTION static int column() { return threadIdx.x % of_row * elements; }
  GPU_FUNCTION static int row(int step) { return (step * warps + threadIdx.x / 32) * rows + threadIdx.x % 32 / of_row; }
};

// 16 bytes of a row as elements of type T.
template <class T>
GPU_FUNCTION void unpack_elements(float (&x)[4], uint4 bits) {
  const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = std::bit_cast<float>(words[i]);
}
template <class T>
GPU_FUNCTION void unpack_elements(float (&x)[8], uint4 bits) {
  const uint32_t pairs[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 two = unpack<T>(pairs[i]);
    x[2 * i] = two.x, x[2 * i + 1] = two.y;
  }
}

// This lane's share of `seen` rows from `first` on, all asked for before any is used; zero beyond.
template <class T>
GPU_FUNCTION void load_rows(uint4 (&rows)[Lanes<T>::steps], const HeadRows<const T>& from, int first, int seen) {
#pragma unroll
  for (int step = 0; step < Lanes<T>::steps; ++step) {
    const int r = Lanes<T>::row(step);
    rows[step] = r < seen ? load16(from.row(first + r) + Lanes<T>::column()) : uint4{0, 0, 0, 0};
  }
}

// Results of the parts of each query, [B, heads, T, parts]: 64 elements, then r and the sum.
struct Parts {
  float* results;
  int64_t count;
  static constexpr int size = width + 2;

  GPU_FUNCTION float* at(int64_t query, int64_t i) const { return results + (query * count + i) * size; }
};

// The largest, or the sum, of a number of each thread, known to all of them.
template <class F>
GPU_FUNCTION float of_block(float x, float (&of_warps)[warps], F combine) {
#pragma unroll
  for (int bits = 16; bits; bits /= 2) x = combine(x, __shfl_xor_sync(0xffffffffu, x, bits));
  __syncthreads();  // nobody reads what was there before any more
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = x;
  __syncthreads();
  x = of_warps[0];
#pragma unroll
  for (int i = 1; i < warps; ++i) x = combine(x, of_warps[i]);
  return x;
}

// o and lse of a query from its unnormalised output.
template <class T>
GPU_FUNCTION void finish(T* o, float* lse, float out, float reference, float sum, int column) {
  store(o + column, out / sum);
  if (lse && column == 0) *lse = fmaf(reference, ln_2, logf(sum));
}

template <class T, int queries>
__global__ void __launch_bounds__(threads)
    attend_part_kernel(HeadsOf<T> o_heads, float* lse, Parts parts, HeadsOf<const T> q_heads, HeadsOf<const T> k_heads,
                       HeadsOf<const T> v_heads, AttentionSize size) {
  using Lane = Lanes<T>;
  SHARED_ARRAY(float, p, [queries][part]);
  SHARED_ARRAY(float, of_warps, [warps]);
  SHARED_ARRAY(float, references, [queries]);
  SHARED_ARRAY(float, sums, [queries]);
  SHARED_ARRAY(float, outs, [warps][queries][width]);
  const HeadRows<const T> q = q_heads.head(blockIdx.z, blockIdx.y, width),
                          k = k_heads.head(blockIdx.z, blockIdx.y, width),
                          v = v_heads.head(blockIdx.z, blockIdx.y, width);
  const int time = static_cast<int>(size.time), s0 = static_cast<int>(blockIdx.x) * part;
  const int seen =
      static_cast<int>(min(size.visible(time - 1) - s0, int64_t{part}));  // of this part, by the last query

  uint4 keys[Lane::steps], values[Lane::steps];
  load_rows(keys, k, s0, seen);
  load_rows(values, v, s0, seen);
  float query[queries][Lane::elements];
#pragma unroll
  for (int t = 0; t < queries; ++t) unpack_elements<T>(query[t], load16(q.row(min(t, time - 1)) + Lane::column()));
#pragma unroll
  for (int step = 0; step < Lane::steps; ++step) {
    float key[Lane::elements];
    unpack_elements<T>(key, keys[step]);
#pragma unroll
    for (int t = 0; t < queries; ++t) {
      float score = 0;
#pragma unroll
      for (int i = 0; i < Lane::elements; ++i) score = fmaf(query[t][i], key[i], score);
#pragma unroll
      for (int bits = Lane::of_row / 2; bits; bits /= 2) score += __shfl_xor_sync(0xffffffffu, score, bits);
      if (Lane::column() == 0) p[t][Lane::row(step)] = score;
    }
  }
  __syncthreads();

  const float scale = size.scale * log2_e;
#pragma unroll
  for (int t = 0; t < queries; ++t) {
    const bool sees = s0 + static_cast<int>(threadIdx.x) < size.visible(min(t, time - 1));
    const float score = sees ? p[t][threadIdx.x] * scale : -INFINITY;
    const float largest = of_block(score, of_warps, [](float x, float y) { return fmaxf(x, y); });
    const float x = sees ? fast_exp2(score - largest) : 0.0f;
    const float sum = of_block(x, of_warps, [](float x, float y) { return x + y; });
    p[t][threadIdx.x] = x;
    if (threadIdx.x == 0) references[t] = largest, sums[t] = sum;
  }
  __syncthreads();

  float out[queries][Lane::elements] = {};
#pragma unroll
  for (int step = 0; step < Lane::steps; ++step) {
    float value[Lane::elements];
    unpack_elements<T>(value, values[step]);
#pragma unroll
    for (int t = 0; t < queries; ++t)
#pragma unroll
      for (int i = 0; i < Lane::elements; ++i) out[t][i] = fmaf(p[t][Lane::row(step)], value[i], out[t][i]);
  }
#pragma unroll
  for (int t = 0; t < queries; ++t)
#pragma unroll
    for (int i = 0; i < Lane::elements; ++i) {
#pragma unroll
      for (int bits = Lane::of_row; bits < 32; bits *= 2) out[t][i] += __shfl_xor_sync(0xffffffffu, out[t][i], bits);
      if (threadIdx.x % 32 < Lane::of_row) outs[threadIdx.x / 32][t][Lane::column() + i] = out[t][i];
    }
  __syncthreads();

  // A thread is left with one element of one query.
  const int t = threadIdx.x / width, column = threadIdx.x % width;
  static_assert(threads >= few_queries * width);
  if (t >= time) return;
  float x = 0;
#pragma unroll
  for (int i = 0; i < warps; ++i) x += outs[i][t][column];
  const int64_t query_of_all = (blockIdx.z * size.heads + blockIdx.y) * size.time + t;
  if (parts.count == 1) {
    T* const o = o_heads.head(blockIdx.z, blockIdx.y, width).row(t);
    finish(o, lse ? lse + query_of_all : nullptr, x, references[t], sums[t], column);
  } else {
    float* const result = parts.at(query_of_all, blockIdx.x);
    result[column] = x;
    if (column == 0) result[width] = references[t], result[width + 1] = sums[t];
  }
}

// Joins the parts of a query; one thread an element.
template <class T>
__global__ void __launch_bounds__(width)
    join_parts_kernel(HeadsOf<T> o_heads, float* lse, Parts parts, AttentionSize size) {
  const int t = static_cast<int>(blockIdx.x), column = threadIdx.x;
  const int64_t query = (blockIdx.z * size.heads + blockIdx.y) * size.time + t;
  float reference = -INFINITY, sum = 0, out = 0;
  for (int64_t i = 0; i < parts.count; ++i) reference = fmaxf(reference, parts.at(query, i)[width]);
  for (int64_t i = 0; i < parts.count; ++i) {
    const float* const result = parts.at(query, i);
    const float weight = fast_exp2(result[width] - reference);
    sum = fmaf(weight, result[width + 1], sum);
    out = fmaf(weight, result[column], out);
  }
  finish(o_heads.head(blockIdx.z, blockIdx.y, width).row(t), lse ? lse + query : nullptr, out, reference, sum, column);
}

}  // namespace

void attend_few(CudaBackend& backend, const AttentionSize& size, const AttentionForward& x) {
  const int64_t count = blocks(size.source, part);
  Tensor results;
  if (count > 1) results = backend.empty({size.batch * size.heads * size.time * count, Parts::size});
  const Parts parts{static_cast<float*>(results.address), count};
  typed(size.type, [&](auto element) {
    using T = decltype(element);
    const HeadsOf<T> o(x.o);
    const HeadsOf<const T> q(x.q), k(x.k), v(x.v);
    launch(backend.device(), "attention", {.x = count, .y = size.heads, .z = size.batch, .threads = threads},
           size.time == 1 ? attend_part_kernel<T, 1> : attend_part_kernel<T, few_queries>, o, x.lse, parts, q, k, v,
           size);
    if (count > 1)
      launch(backend.device(), "attention", {.x = size.time, .y = size.heads, .z = size.batch, .threads = width},
             join_parts_kernel<T>, o, x.lse, parts, size);
  });
}

}  // namespace whisper::cuda
