// Tiles of attention for tensor cores: heads of 64 in 16 bits, as they lie in shared memory, a warp's fragments of them
// (gpu/ptx.cuh: mma) and the products of those.
//
// A warp makes sums of m·16 rows and n·8 columns: float c[m][n][4]. What was summed up becomes a factor without leaving
// the registers, since a lane holds the same elements of two neighbouring 16x8 sums and of one 16x16 factor A.
#pragma once
#include <gpu/ptx.cuh>

#include "cuda/attention_heads.cuh"

namespace whisper::cuda {

constexpr int head_width = 64;                // of every released Whisper
constexpr int width_steps = head_width / 16;  // of mma over a head
constexpr int width_tiles = head_width / 8;   // of sums as wide as a head

GPU_FUNCTION int lane() { return threadIdx.x % 32; }
GPU_FUNCTION int warp() { return threadIdx.x / 32; }

// Where element e of a lane's sums lies in their 16x8 tile.
GPU_FUNCTION int row_of(int e) { return lane() / 4 + e / 2 * 8; }
GPU_FUNCTION int column_of(int e) { return lane() % 4 * 2 + e % 2; }

// Elements before 16-byte chunk c of row r of a tile. The chunks of a row have changed places by its number, so that
// the eight rows of which ldmatrix reads a chunk each lie in different banks.
GPU_FUNCTION int chunk_at(int r, int c) { return r * head_width + (c ^ (r & 7)) * 8; }

// Starts to copy rows [first, first + rows) of a head, which is aligned to 16 bytes. Rows that do not exist are zero.
template <int rows, int threads, class T>
GPU_FUNCTION void load_tile(T* tile, const HeadRows<const T>& from, int first) {
  const int c = threadIdx.x % 8;
#pragma unroll
  for (int i = 0; i < rows; i += threads / 8) {
    const int r = i + static_cast<int>(threadIdx.x) / 8, source = first + r;
    const bool exists = source < from.count;
    copy_async16(tile + chunk_at(r, c), from.row(exists ? source : 0) + c * 8, exists ? 16 : 0);
  }
}

// Factor A: rows [row, row + 16) of the tile, elements [16·step, 16·step + 16).
template <class T>
GPU_FUNCTION void load_a(uint32_t (&a)[4], const T* tile, int row, int step) {
  ldmatrix(a, tile + chunk_at(row + lane() % 16, step * 2 + lane() / 16));
}
// Two factors B: rows [row, row + 8) and the next eight are columns of the product.
template <class T>
GPU_FUNCTION void load_b_across(uint32_t (&b)[4], const T* tile, int row, int step) {
  ldmatrix(b, tile + chunk_at(row + lane() % 8 + lane() / 16 * 8, step * 2 + lane() / 8 % 2));
}
// Two factors B: elements [column, column + 8) of 16 rows and the next eight are columns of the product.
template <class T>
GPU_FUNCTION void load_b_along(uint32_t (&b)[4], const T* tile, int row, int column) {
  ldmatrix_transposed(b, tile + chunk_at(row + lane() % 16, column / 8 + lane() / 16));
}

template <int m, int n>
GPU_FUNCTION void clear(float (&c)[m][n][4]) {
#pragma unroll
  for (int i = 0; i < m; ++i)
#pragma unroll
    for (int j = 0; j < n; ++j)
#pragma unroll
      for (int e = 0; e < 4; ++e) c[i][j][e] = 0;
}

template <class T, int m, int n>
GPU_FUNCTION void multiply(float (&c)[m][n][4], const uint32_t (&a)[m][4], const uint32_t (&b)[4], int j) {
#pragma unroll
  for (int i = 0; i < m; ++i) {
    mma<T>(c[i][j], a[i], b[0], b[1]);
    mma<T>(c[i][j + 1], a[i], b[2], b[3]);
  }
}

// C += A·Bᵀ over step `step` of the width: rows of the tile from `row` on are columns of C.
template <class T, int m, int n>
GPU_FUNCTION void multiply_across(float (&c)[m][n][4], const uint32_t (&a)[m][4], const T* tile, int row, int step) {
#pragma unroll
  for (int j = 0; j < n; j += 2) {
    uint32_t b[4];
    load_b_across(b, tile, row + j * 8, step);
    multiply<T>(c, a, b, j);
  }
}

// C += A·B over the 16 rows of the tile from `row` on.
template <class T, int m>
GPU_FUNCTION void multiply_along(float (&c)[m][width_tiles][4], const uint32_t (&a)[m][4], const T* tile, int row) {
#pragma unroll
  for (int j = 0; j < width_tiles; j += 2) {
    uint32_t b[4];
    load_b_along(b, tile, row, j * 8);
    multiply<T>(c, a, b, j);
  }
}

// Stores a lane's two elements of row e / 2 of each of the sums, times `factor`.
template <class T>
GPU_FUNCTION void store_row(T* row, const float (&c)[width_tiles][4], int e, float factor) {
#pragma unroll
  for (int j = 0; j < width_tiles; ++j)
    store4(row + j * 8 + column_of(e), pack<T>(c[j][e] * factor, c[j][e + 1] * factor));
}

}  // namespace whisper::cuda
