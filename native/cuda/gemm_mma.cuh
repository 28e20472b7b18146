// Products of f16 and bf16 on tensor cores by mma.sync, sums in f32: a block makes a tile of C from tiles of both
// factors, which cp.async brings to shared memory some stages ahead; a warp makes its part of the tile from fragments,
// which ldmatrix takes from there, transposed where a factor is read along.
#pragma once
#include "cuda/tiled_product.cuh"

namespace whisper::cuda {

constexpr int stages = 4;

// A tile of C, the part of it that is a warp's, and how many blocks a processor is to have room for: without that
// number the compiler spills registers of the small tile for the sake of a sixth block.
template <int rows_, int columns_, int warp_rows_, int warp_columns_, int blocks_>
struct MmaTile {
  static constexpr int blocks = blocks_;
  static constexpr int rows = rows_, columns = columns_, warp_rows = warp_rows_, warp_columns = warp_columns_;
  static constexpr int warps_across = columns / warp_columns, warps = rows / warp_rows * warps_across;
  static constexpr int threads = warps * 32;
  // Finished sums go through shared memory, 16 rows of a warp at a time, so that whole sectors are stored. The eight
  // extra floats of a row keep the pairs of a fragment's rows in different banks.
  static constexpr int strip = 16, strip_pitch = warp_columns + 8;
  static constexpr size_t factor_bytes = size_t{stages} * (rows + columns) * depth<f16> * sizeof(f16);
  static constexpr size_t strip_bytes = sizeof(float) * warps * strip * strip_pitch;
  static constexpr size_t shared = factor_bytes > strip_bytes ? factor_bytes : strip_bytes;
};

// Eight rows of a matrix for ldmatrix, chunk c of each, lie in all eight groups of four banks: rows of 64 bytes take
// two groups of four chunks in turn, those of 128 bytes and more begin in the same bank.
struct AcrossLayout {
  static GPU_FUNCTION int place(int row, int c) { return (row * 4 + (c ^ row / 2 % 4)) * chunk<f16>; }
};
template <int extent>
struct AlongLayout {
  static GPU_FUNCTION int place(int row, int c) { return row * extent + (c ^ row % 8) * chunk<f16>; }
};
template <Factor::Direction direction, int extent>
using MmaLayout = std::conditional_t<direction == Factor::Across, AcrossLayout, AlongLayout<extent>>;

// The fragment of 16 rows of A from `first` on, 16 steps of k from `step` on: of its four 8x8 matrices (ptx.cuh: mma)
// the second has the lower rows, the third the later steps. Lane l points at row l % 8 of matrix l / 8.
template <Factor::Direction direction, int extent, class T>
GPU_FUNCTION void load_a(uint32_t (&a)[4], const T* tile, int first, int step) {
  const int lane = static_cast<int>(threadIdx.x) % 32, lower = lane / 8 % 2, later = lane / 16;
  if constexpr (direction == Factor::Across)
    gpu::ldmatrix(a, tile + AcrossLayout::place(first + lane % 8 + 8 * lower, step / 8 + later));
  else
    gpu::ldmatrix_transposed(a, tile + AlongLayout<extent>::place(step + lane % 8 + 8 * later, first / 8 + lower));
}

// The fragments of 2·8 columns of B: the second matrix has the later steps, the third and fourth the next 8 columns.
template <Factor::Direction direction, int extent, class T>
GPU_FUNCTION void load_b(uint32_t (&b)[4], const T* tile, int first, int step) {
  const int lane = static_cast<int>(threadIdx.x) % 32, later = lane / 8 % 2, next = lane / 16;
  if constexpr (direction == Factor::Across)
    gpu::ldmatrix(b, tile + AcrossLayout::place(first + lane % 8 + 8 * next, step / 8 + later));
  else
    gpu::ldmatrix_transposed(b, tile + AlongLayout<extent>::place(step + lane % 8 + 8 * later, first / 8 + next));
}

// A warp's sums, in fragments of 16 x 8.
template <class Tile>
struct MmaSums {
  static constexpr int down = Tile::warp_rows / 16, along = Tile::warp_columns / 8;
  float of[down][along][4] = {};
};

// Adds the products of a pair of tiles.
template <class T, Factor::Direction a_direction, Factor::Direction b_direction, class Tile>
GPU_FUNCTION void multiply(MmaSums<Tile>& sums, const T* a_tile, const T* b_tile, int warp_row, int warp_column) {
  using Sums = MmaSums<Tile>;
#pragma unroll
  for (int step = 0; step < depth<T>; step += 16) {
    uint32_t a[Sums::down][4], b[Sums::along / 2][4];
#pragma unroll
    for (int i = 0; i < Sums::down; ++i) load_a<a_direction, Tile::rows>(a[i], a_tile, warp_row + 16 * i, step);
#pragma unroll
    for (int j = 0; j < Sums::along / 2; ++j)
      load_b<b_direction, Tile::columns>(b[j], b_tile, warp_column + 16 * j, step);
#pragma unroll
    for (int i = 0; i < Sums::down; ++i)
#pragma unroll
      for (int j = 0; j < Sums::along; ++j)
        gpu::mma<T>(sums.of[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
  }
}

// Finishes a warp's sums: each strip of 16 rows goes to the warp's part of shared memory as fragments and comes back as
// quads of rows. `first_row` counts the rows of C, or of the slabs.
template <class T, class Tile>
GPU_FUNCTION void finish_strips(const Epilogue& epilogue, const MmaSums<Tile>& sums, float* strip, int first_row,
                                int rows, int first_column) {
  using Sums = MmaSums<Tile>;
  constexpr int quads = Tile::warp_columns / quad, rows_at_once = 32 / quads;
  const int lane = static_cast<int>(threadIdx.x) % 32, g = lane / 4, t = lane % 4;
#pragma unroll 1
  for (int s = 0; s < Sums::down; ++s) {
    // Registers have no index: each strip is compared with the one whose turn it is, and what follows is there but
    // once.
#pragma unroll
    for (int i = 0; i < Sums::down; ++i) {
      if (i != s) continue;
#pragma unroll
      for (int j = 0; j < Sums::along; ++j) {
        float2* const to = reinterpret_cast<float2*>(strip + g * Tile::strip_pitch + 8 * j + 2 * t);
        to[0] = float2{sums.of[i][j][0], sums.of[i][j][1]};
        to[4 * Tile::strip_pitch] = float2{sums.of[i][j][2], sums.of[i][j][3]};
      }
    }
    __syncwarp();
    for (int r = lane / quads; r < Tile::strip; r += rows_at_once) {
      const int row = Tile::strip * s + r, column = lane % quads * quad;
      float x[quad];
      load_run(x, strip + r * Tile::strip_pitch + column);
      if (row < rows) finish<T>(epilogue, first_row + row, first_column + column, x);
    }
    __syncwarp();
  }
}

template <class T, Factor::Direction a_direction, Factor::Direction b_direction, class Tile, bool aligned>
__global__ void __launch_bounds__(Tile::threads, Tile::blocks) mma_kernel(const __grid_constant__ TiledProduct p) {
  const Part part = part_of<a_direction, Tile::rows, Tile::columns>(p);
  if (part.row >= part.rows) return;

  using ATiles = FactorTiles<T, a_direction, Tile::rows, Tile::threads, aligned, MmaLayout<a_direction, Tile::rows>>;
  using BTiles =
      FactorTiles<T, b_direction, Tile::columns, Tile::threads, aligned, MmaLayout<b_direction, Tile::columns>>;
  ATiles a(p.a, part.row, part.rows, part.k_begin, part.k_end);
  BTiles b(p.b, part.column, p.n, part.k_begin, part.k_end);
  gpu::Shared shared;
  unsigned char* const memory = shared.take<unsigned char>(Tile::shared);
  T* const a_tiles = reinterpret_cast<T*>(memory);
  T* const b_tiles = a_tiles + stages * ATiles::elements;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_row = warp / Tile::warps_across * Tile::warp_rows;
  const int warp_column = warp % Tile::warps_across * Tile::warp_columns;

  MmaSums<Tile> sums;
  for_each_pair<stages>(a, a_tiles, b, b_tiles, part.k_end - part.k_begin, [&](const T* a_tile, const T* b_tile) {
    multiply<T, a_direction, b_direction>(sums, a_tile, b_tile, warp_row, warp_column);
  });
  __syncthreads();  // shared memory is free

  float* const strip = reinterpret_cast<float*>(memory) + warp * Tile::strip * Tile::strip_pitch;
  finish_strips<T>(p.epilogue, sums, strip, part.stored_row + warp_row, part.rows - part.row - warp_row,
                   part.column + warp_column);
}

}  // namespace whisper::cuda
