// Tiles of attention without tensor cores: products of 64x64 tiles in f32, from elements of any type.
//
// Of the 64x64 sums of a block of 256 threads each has 16. The scores of its row y and column x of 16x16 threads are
// those of rows y + 16i and columns x + 16j, so that the 16 threads of a row, half a warp, share their scores' rows;
// sums as wide as a head are of the same rows and of columns 4x + j.
#pragma once
#include "cuda/attention_heads.cuh"
#include "cuda/vector.cuh"

namespace whisper::cuda {

struct PlainTile {
  static constexpr int threads = 256, size = 64;
  // Floats from a row to the next: 16 bytes of eight neighbouring rows lie in different banks.
  static constexpr int pitch = size + 4;
  static constexpr int floats = size * pitch;
};

GPU_FUNCTION int thread_row() { return threadIdx.x / 16; }
GPU_FUNCTION int thread_column() { return threadIdx.x % 16; }
GPU_FUNCTION float* at(float* tile, int row, int column) { return tile + row * PlainTile::pitch + column; }
GPU_FUNCTION const float* at(const float* tile, int row, int column) { return tile + row * PlainTile::pitch + column; }

constexpr int round_up_four(int n) { return (n + 3) / 4 * 4; }

// Rows [first, first + 64) of a head, their elements from `column` to `end`, at most 64, and zeros up to a multiple of
// four. Rows that do not exist are zero. `wide`: elements can be read four at a time.
template <class T>
GPU_FUNCTION void load_plain(float* tile, const HeadRows<const T>& from, int first, int column, int end, bool wide) {
  const int columns = min(end - column, PlainTile::size);
  if (wide) {
    for (int i = threadIdx.x; i < PlainTile::size * 16; i += PlainTile::threads) {
      const int r = i / 16, c = i % 16 * 4;
      float x[4] = {};
      if (first + r < from.count && c < columns) load_run(x, from.row(first + r) + column + c);
      store_run(at(tile, r, c), x);
    }
  } else {
    const int across = round_up_four(columns);
    for (int i = threadIdx.x; i < PlainTile::size * across; i += PlainTile::threads) {
      const int r = i / across, c = i % across;
      const bool exists = first + r < from.count && c < columns;
      *at(tile, r, c) = exists ? to_float(from.row(first + r)[column + c]) : 0.0f;
    }
  }
}

GPU_FUNCTION void clear(float (&c)[4][4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) c[i][j] = 0;
}

// C += A·Bᵀ over `depth` columns of both tiles, a multiple of four; C is of scores.
GPU_FUNCTION void multiply_plain_across(float (&c)[4][4], const float* a, const float* b, int depth) {
  for (int k = 0; k < depth; k += 4) {
    float x[4][4];
#pragma unroll
    for (int i = 0; i < 4; ++i) load_run(x[i], at(a, thread_row() + 16 * i, k));
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float y[4];
      load_run(y, at(b, thread_column() + 16 * j, k));
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int e = 0; e < 4; ++e) c[i][j] = fmaf(x[i][e], y[e], c[i][j]);
    }
  }
}

// C += A·B over `depth` columns of A and rows of B, a multiple of four; C is as wide as a head.
GPU_FUNCTION void multiply_plain_along(float (&c)[4][4], const float* a, const float* b, int depth) {
  for (int k = 0; k < depth; k += 4) {
    float y[4][4];
#pragma unroll
    for (int e = 0; e < 4; ++e) load_run(y[e], at(b, k + e, thread_column() * 4));
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float x[4];
      load_run(x, at(a, thread_row() + 16 * i, k));
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) c[i][j] = fmaf(x[e], y[e][j], c[i][j]);
    }
  }
}

// C = rows of x from `first` times rows of y from `other`, whole heads of them, through two tiles. Ends with the last
// tiles still being read.
template <class T>
GPU_FUNCTION void make_scores(float (&c)[4][4], float* x_tile, const HeadRows<const T>& x, int first, float* y_tile,
                              const HeadRows<const T>& y, int other, int width, bool wide) {
  clear(c);
  for (int column = 0; column < width; column += PlainTile::size) {
    __syncthreads();  // nobody reads the tiles before any more
    load_plain(x_tile, x, first, column, width, wide);
    load_plain(y_tile, y, other, column, width, wide);
    __syncthreads();
    multiply_plain_across(c, x_tile, y_tile, round_up_four(min(width - column, PlainTile::size)));
  }
}

// Writes a thread's elements of scores to a tile.
GPU_FUNCTION void put_scores(float* tile, const float (&c)[4][4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i)
#pragma unroll
    for (int j = 0; j < 4; ++j) *at(tile, thread_row() + 16 * i, thread_column() + 16 * j) = c[i][j];
}

// Writes a thread's sums to rows of a gradient or an output from `first` on, where they exist, each times factor[i].
template <class T>
GPU_FUNCTION void store_plain(const HeadRows<T>& to, int first, int column, int width, const float (&c)[4][4],
                              const float (&factor)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int r = first + thread_row() + 16 * i;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int at = column + thread_column() * 4 + j;
      if (r < to.count && at < width) store(to.row(r) + at, c[i][j] * factor[i]);
    }
  }
}

}  // namespace whisper::cuda
