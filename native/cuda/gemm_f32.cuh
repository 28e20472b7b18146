// Products of f32 as they are, by fmaf: a block of 16 x 16 threads makes a square tile of C, of which each thread keeps
// quads of rows and of columns in registers.
#pragma once
#include "cuda/tiled_product.cuh"

namespace whisper::cuda {

constexpr int f32_stages = 3, f32_threads = 256;

// Read across, the four rows of a quad lie a quarter of the tile apart, so that the same row of neighbouring quads is
// next to each other; and as two rows of 64 bytes share all banks, chunks are exchanged among four pairs of rows. Then
// eight threads that read one chunk of eight quads meet no bank twice.
template <Factor::Direction direction, int side>
struct F32Layout {
  static GPU_FUNCTION int place(int row, int c) {
    if constexpr (direction == Factor::Along) return row * side + c * chunk<float>;
    const int slot = row % quad * (side / quad) + row / quad;
    return (slot * 4 + (c ^ slot / 2 % 4)) * chunk<float>;
  }
};

// Four steps of k, from `step` on, of a thread's rows (columns) of C: quads q, q + 16, … of the tile.
template <Factor::Direction direction, int side>
GPU_FUNCTION void load_steps(float (&x)[side / 16][4], const float* tile, int q, int step) {
  using Layout = F32Layout<direction, side>;
#pragma unroll
  for (int i = 0; i < side / 16; i += quad)
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float v[quad];
      if constexpr (direction == Factor::Across) {
        load_run(x[i + j], tile + Layout::place(4 * (q + 4 * i) + j, step / 4));
      } else {
        load_run(v, tile + Layout::place(step + j, q + 4 * i));
#pragma unroll
        for (int r = 0; r < quad; ++r) x[i + r][j] = v[r];
      }
    }
}

// Adds the products of a pair of tiles.
template <Factor::Direction a_direction, Factor::Direction b_direction, int side>
GPU_FUNCTION void multiply(float (&sums)[side / 16][side / 16], const float* a_tile, const float* b_tile, int down,
                           int along) {
  constexpr int n = side / 16;
#pragma unroll
  for (int step = 0; step < depth<float>; step += 4) {
    float a[n][4], b[n][4];
    load_steps<a_direction, side>(a, a_tile, down, step);
    load_steps<b_direction, side>(b, b_tile, along, step);
#pragma unroll
    for (int s = 0; s < 4; ++s)
#pragma unroll
      for (int i = 0; i < n; ++i)
#pragma unroll
        for (int j = 0; j < n; ++j) sums[i][j] = fmaf(a[i][s], b[j][s], sums[i][j]);
  }
}

// Two blocks of the small tiles share a processor: told of none, ptxas aims at three, and spills.
template <Factor::Direction a_direction, Factor::Direction b_direction, int side, bool aligned>
__global__ void __launch_bounds__(f32_threads, side == 64 ? 2 : 1) f32_kernel(const __grid_constant__ TiledProduct p) {
  const Part part = part_of<a_direction, side, side>(p);
  if (part.row >= part.rows) return;

  using ATiles = FactorTiles<float, a_direction, side, f32_threads, aligned, F32Layout<a_direction, side>>;
  using BTiles = FactorTiles<float, b_direction, side, f32_threads, aligned, F32Layout<b_direction, side>>;
  ATiles a(p.a, part.row, part.rows, part.k_begin, part.k_end);
  BTiles b(p.b, part.column, p.n, part.k_begin, part.k_end);
  gpu::Shared shared;
  float* const a_tiles = shared.take<float>(f32_stages * ATiles::elements);
  float* const b_tiles = shared.take<float>(f32_stages * BTiles::elements);
  // A warp makes 4 x 8 quads, so that what it reads of each factor fits the banks.
  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int down = warp / 2 * 4 + lane / 8, along = warp % 2 * 8 + lane % 8;

  float sums[side / 16][side / 16] = {};
  for_each_pair<f32_stages>(a, a_tiles, b, b_tiles, part.k_end - part.k_begin,
                            [&](const float* a_tile, const float* b_tile) {
                              multiply<a_direction, b_direction, side>(sums, a_tile, b_tile, down, along);
                            });

#pragma unroll 1
  for (int r = 0; r < side / 16; ++r) {
    // Registers have no index: each row is compared with the one whose turn it is, and what follows is there but once.
    float x[side / 16] = {};
#pragma unroll
    for (int i = 0; i < side / 16; ++i)
#pragma unroll
      for (int j = 0; j < side / 16; ++j)
        if (i == r) x[j] = sums[i][j];
    const int in_tile = down * quad + r % quad + r / quad * 16 * quad;
    if (part.row + in_tile >= part.rows) continue;
#pragma unroll
    for (int j = 0; j < side / 16; j += quad) {
      float four[quad] = {x[j], x[j + 1], x[j + 2], x[j + 3]};
      finish<float>(p.epilogue, part.stored_row + in_tile, part.column + along * quad + j * 16, four);
    }
  }
}

}  // namespace whisper::cuda
