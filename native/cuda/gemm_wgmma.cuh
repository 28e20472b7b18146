// C = A·B by warpgroups of Hopper: one copies boxes of both factors into a ring of stages with TMA, two multiply what
// has arrived (wgmma), each 64 rows of a tile of C, and finish their sums. A block stays on its processor and takes
// tile after tile, so that the first boxes of the next come while the sums of one are stored.
#pragma once
#include <gpu/hopper.cuh>

#include "cuda/epilogue.cuh"

namespace whisper::cuda::wgmma {

using namespace gpu;

constexpr int tile_rows = 128, tile_steps = box_columns, stages = 4;
constexpr int warpgroup = 128, consumers = 2, threads = (1 + consumers) * warpgroup;

// The tiles of C, over each slice of k. Sixteen tiles below each other are followed by their neighbours on the right:
// with tiles of 128 x 256 what 132 processors work on at a time is about as high as wide, which reads the fewest rows
// of A and B.
struct Work {
  int m, k;
  int rows, columns;  // of tiles
  int slices, slice;  // of k, and the steps of each, a multiple of tile_steps

  struct Place {
    int row, column, slice;  // of the tile
  };
  GPU_FUNCTION Place place(int item) const {
    constexpr int height = 16;
    const int tiles = rows * columns, tile = item % tiles, band = tile / (height * columns);
    const int within = tile - band * height * columns, band_height = min(height, rows - band * height);
    return {band * height + within % band_height, within / band_height, item / tiles};
  }
  GPU_FUNCTION int items() const { return rows * columns * slices; }
};

// Where both sides are in the ring of stages, and the parity of the round.
struct Ring {
  int stage = 0, parity = 0;
  GPU_FUNCTION void advance() {
    if (++stage == stages) stage = 0, parity ^= 1;
  }
};

// One factor's part of a stage: `rows` of them, 64 steps of k. Across, one box holds all rows; along, each box holds 64
// of them. Either way 64 rows are 64·128 bytes.
template <Major major, int rows>
struct Part {
  static constexpr int bytes = rows * tile_steps * 2;
  static constexpr int box_rows = major == Major::K ? rows : tile_steps;
  static constexpr int boxes = major == Major::K ? 1 : rows / box_columns;
  static constexpr int box_bytes = box_rows * box_columns * 2;

  GPU_FUNCTION static void copy(unsigned char* to, const TileMap* map, int row, int step, Barrier* full) {
#pragma unroll
    for (int i = 0; i < boxes; ++i)
      copy_tile(to + i * box_bytes, map, major == Major::K ? step : row + i * box_columns,
                major == Major::K ? row : step, full);
  }
  // Of 16 steps of k, from `step` of this part on.
  GPU_FUNCTION static auto factor(const unsigned char* part, int step) {
    return factor_descriptor<major>(part + step * (major == Major::K ? 2 : box_columns * 2), box_bytes);
  }
};

// Finishes the sums of a warpgroup's 64 rows, `parked` columns at a time by way of shared memory: there a loop can go
// over them, which over registers would be a copy of its body for each, and lanes find neighbours that they store
// together. A warp parks its 16 rows; bits 3 and 4 of a column are XORed with the row's lowest, against bank conflicts.
constexpr int parked = 64;

template <class T, int count>
GPU_FUNCTION void store_sums(const Epilogue& epilogue, const float (&sums)[count], float* park, int row, int column,
                             int m, int first_row) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32 % 4;
  const auto place = [&](int r, int c) { return park + r * parked + (c ^ r % 4 * 8); };
  row += 16 * warp;
#pragma unroll 1
  for (int chunk = 0; chunk < 2 * count / parked; ++chunk) {
#pragma unroll
    for (int j = 0; j < count / 4; ++j)
      if (j / (parked / 8) == chunk)
#pragma unroll
        for (int half = 0; half < 2; ++half)
          *reinterpret_cast<float2*>(place(lane / 4 + 8 * half, j % (parked / 8) * 8 + lane % 4 * 2)) =
              float2{sums[4 * j + 2 * half], sums[4 * j + 2 * half + 1]};
    __syncwarp();
#pragma unroll 2
    for (int i = lane; i < 16 * parked / quad; i += 32) {
      const int r = i / (parked / quad), c = i % (parked / quad) * quad;
      float x[quad];
      load_run(x, place(r, c));
      if (row + r < m) finish<T>(epilogue, first_row + row + r, column + chunk * parked + c, x);
    }
    __syncwarp();
  }
}

// Tiles of 128 x `width`. With several slices C is their slabs, one below the other.
template <class T, int width, Major a_major, Major b_major>
__global__ void __launch_bounds__(threads, 1)
    product_kernel(const __grid_constant__ TileMap a, const __grid_constant__ TileMap b,
                   const __grid_constant__ Work work, const __grid_constant__ Epilogue epilogue) {
  using A = Part<a_major, tile_rows>;
  using B = Part<b_major, width>;
  Shared shared;
  auto* a_parts = shared.take<unsigned char>(stages * A::bytes, 1024);
  auto* b_parts = shared.take<unsigned char>(stages * B::bytes, 1024);
  auto* park = shared.take<float>(consumers * 4 * 16 * parked);
  auto* full = shared.take<Barrier>(stages, 8);
  auto* empty = shared.take<Barrier>(stages, 8);
  if (threadIdx.x == 0) {
    for (int i = 0; i < stages; ++i) {
      barrier_init(full + i, 1);
      barrier_init(empty + i, consumers * warpgroup / 32);
    }
    barrier_init_fence();
  }
  __syncthreads();
  Ring ring;

  if (threadIdx.x < warpgroup) {
    give_back_registers<40>();
    if (threadIdx.x > 0) return;
    for (int item = blockIdx.x; item < work.items(); item += gridDim.x) {
      const Work::Place place = work.place(item);
      const int end = min(work.k, (place.slice + 1) * work.slice);
      for (int step = place.slice * work.slice; step < end; step += tile_steps, ring.advance()) {
        Barrier* const arrived = full + ring.stage;
        barrier_wait(empty + ring.stage, ring.parity ^ 1);
        barrier_expect(arrived, A::bytes + B::bytes);
        A::copy(a_parts + ring.stage * A::bytes, &a, place.row * tile_rows, step, arrived);
        B::copy(b_parts + ring.stage * B::bytes, &b, place.column * width, step, arrived);
      }
    }
    return;
  }

  ask_for_registers<232>();
  const int consumer = threadIdx.x / warpgroup - 1;
  const auto leave = [&](int stage) {
    if (threadIdx.x % 32 == 0) barrier_arrive(empty + stage);
  };
  for (int item = blockIdx.x; item < work.items(); item += gridDim.x) {
    const Work::Place place = work.place(item);
    const int begin = place.slice * work.slice, end = min(work.k, begin + work.slice);
    float sums[width / 2];
#pragma unroll
    for (float& sum : sums) sum = 0;
    int previous = 0;
    for (int step = begin; step < end; step += tile_steps, ring.advance()) {
      const unsigned char* const rows = a_parts + ring.stage * A::bytes + consumer * 64 * 128;
      const unsigned char* const columns = b_parts + ring.stage * B::bytes;
      barrier_wait(full + ring.stage, ring.parity);
      warpgroup_fence(sums);
#pragma unroll
      for (int k = 0; k < tile_steps; k += 16)
        warpgroup_mma<T, a_major, b_major>(sums, A::factor(rows, k), B::factor(columns, k));
      commit_products();
      wait_for_products<1>(sums);
      if (step > begin) leave(previous);
      previous = ring.stage;
    }
    wait_for_products<0>(sums);
    leave(previous);
    store_sums<T>(epilogue, sums, park + (threadIdx.x / 32 - 4) * 16 * parked, place.row * tile_rows + consumer * 64,
                  place.column * width, work.m, place.slice * work.m);
  }
}

}  // namespace whisper::cuda::wgmma
