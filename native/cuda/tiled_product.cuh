// What kernels of products have in common: their arguments, a block's part of the product, and the pipeline of copies.
#pragma once
#include "cuda/epilogue.cuh"
#include "cuda/factor_tiles.cuh"

namespace whisper::cuda {

struct TiledProduct {
  TiledFactor a, b;
  int m, n, k, slice;
  const int32_t* live;
  Epilogue epilogue;  // with C the slabs, [slices · m, n], where there are slices

  // `stored` says where the sums go: slabs.h.
  TiledProduct(const Product& p, int64_t slice, const Product& stored)
      : a(p.a),
        b(p.b),
        m(static_cast<int>(p.m)),
        n(static_cast<int>(p.n)),
        k(static_cast<int>(p.k)),
        slice(static_cast<int>(slice)),
        live(p.live),
        epilogue(stored) {}
};

struct TilePlace {
  int row, column;  // in tiles
};
// Blocks that run at the same time take tiles of few rows and few columns, so that factors are read from the L2 cache:
// eight rows of tiles, column by column.
GPU_FUNCTION TilePlace tile_place(int block, int tile_rows, int tile_columns) {
  constexpr int group_rows = 8;
  const int group = block / (group_rows * tile_columns), first = group * group_rows;
  const int height = min(group_rows, tile_rows - first), within = block - first * tile_columns;
  return {first + within % height, within / height};
}

// A block's tile of C and slice of k.
struct Part {
  int row, column, rows;  // of C; `rows` of it exist
  int stored_row;         // where the tile begins among the rows of C, or of the slabs
  int k_begin, k_end;
};
template <Factor::Direction a_direction, int tile_rows, int tile_columns>
GPU_FUNCTION Part part_of(const TiledProduct& p) {
  constexpr bool across = a_direction == Factor::Across;
  const int live = p.live ? *p.live : INT32_MAX, slab = static_cast<int>(blockIdx.z), k_begin = slab * p.slice;
  const TilePlace place = tile_place(static_cast<int>(blockIdx.x), (p.m + tile_rows - 1) / tile_rows,
                                     (p.n + tile_columns - 1) / tile_columns);
  const int row = place.row * tile_rows;
  return {.row = row,
          .column = place.column * tile_columns,
          .rows = across ? min(p.m, live) : p.m,
          .stored_row = slab * p.m + row,
          .k_begin = k_begin,
          .k_end = min(min(p.k, k_begin + p.slice), across ? INT32_MAX : live)};
}

// Calls use(a_tile, b_tile) for the pairs of tiles of so many steps of k, in order. The copies of the next stages - 1
// pairs are on their way meanwhile.
template <int stages, class A, class B, class T, class Use>
GPU_FUNCTION void for_each_pair(A& a, T* a_tiles, B& b, T* b_tiles, int steps, const Use& use) {
  const int pairs = (max(steps, 0) + depth<T> - 1) / depth<T>;
  const auto copy = [&](int pair) {
    if (pair < pairs) {
      a.copy(a_tiles + pair % stages * A::elements);
      b.copy(b_tiles + pair % stages * B::elements);
    }
    gpu::commit_copies();
  };
#pragma unroll
  for (int pair = 0; pair < stages - 1; ++pair) copy(pair);
  for (int pair = 0; pair < pairs; ++pair) {
    gpu::wait_for_copies<stages - 2>();
    __syncthreads();  // the pair is there for all threads, and all have done with the one before it
    copy(pair + stages - 1);
    use(a_tiles + pair % stages * A::elements, b_tiles + pair % stages * B::elements);
  }
  gpu::wait_for_copies<0>();
}

}  // namespace whisper::cuda
