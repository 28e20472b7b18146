// Mistakes in a pipeline of Hopper's: a thread that has tiles copied, a warpgroup that multiplies them, and the three
// waits between them.
#include "plant.h"

namespace whisper::plants {
namespace {

using namespace gpu;

enum Mistake { none, no_wait_for_tile, no_wait_for_room, no_wait_for_products };

constexpr int stages = 2, tiles = 5, depth = 64;
constexpr int a_elements = 64 * depth, b_elements = 128 * depth;  // of a stage

// Each sum of out[128 threads][64] is that of `tiles`·64 products.
template <Mistake mistake>
__global__ void __launch_bounds__(256)
    pipeline_kernel(float* out, const __grid_constant__ TileMap a, const __grid_constant__ TileMap b) {
  Shared shared;
  f16* const at = shared.take<f16>(stages * a_elements, 1024);
  f16* const bt = shared.take<f16>(stages * b_elements, 1024);
  Barrier* const full = shared.take<Barrier>(stages);
  Barrier* const empty = shared.take<Barrier>(stages);
  if (threadIdx.x == 0) {
    for (int s = 0; s < stages; ++s) {
      barrier_init(full + s, 1);
      barrier_init(empty + s, 128);
    }
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x == 128) {
    for (int tile = 0; tile < tiles; ++tile) {
      const int s = tile % stages;
      if (mistake != no_wait_for_room && tile >= stages) barrier_wait(empty + s, (tile / stages - 1) & 1);
      barrier_expect(full + s, (a_elements + b_elements) * 2);
      copy_tile(at + s * a_elements, &a, tile * depth, 0, full + s);
      copy_tile(bt + s * b_elements, &b, tile * depth, 0, full + s);
    }
  } else if (threadIdx.x < 128) {
    float sums[64];
    for (float& sum : sums) sum = 0;
    for (int tile = 0; tile < tiles; ++tile) {
      const int s = tile % stages;
      if (mistake != no_wait_for_tile) barrier_wait(full + s, tile / stages & 1);
      warpgroup_fence(sums);
      for (int k = 0; k < depth; k += 16)
        warpgroup_mma<f16, Major::K, Major::K>(sums, factor_descriptor<Major::K>(at + s * a_elements + k),
                                               factor_descriptor<Major::K>(bt + s * b_elements + k));
      commit_products();
      if (mistake != no_wait_for_products) wait_for_products<0>(sums);
      barrier_arrive(empty + s);
    }
    for (int i = 0; i < 64; ++i) out[threadIdx.x * 64 + i] = sums[i];
  }
}

template <Mistake mistake>
void run_pipeline(bool planted) {
  struct alignas(16) Chunk {
    f16 elements[8];
  };
  Chunk ones;
  for (f16& x : ones.elements) store(&x, 1);
  const std::vector<Chunk> a(64 * tiles * depth / 8, ones), b(128 * tiles * depth / 8, ones);
  const TileMap a_map = make_tile_map("plant", a.data(), tiles * depth, 64, tiles * depth, 64);
  const TileMap b_map = make_tile_map("plant", b.data(), tiles * depth, 128, tiles * depth, 128);
  std::vector<float> out(128 * 64);
  constexpr size_t shared = stages * (a_elements + b_elements) * 2 + 2 * 128 + 1024;
  run(planted, {.threads = 256, .shared = shared}, pipeline_kernel<mistake>, pipeline_kernel<none>, out.data(), a_map,
      b_map);
  for (size_t i = 0; i < out.size(); ++i) expect(i, out[i], tiles * depth);
}

}  // namespace

PLANT(missing_wait_for_tile, "", everywhere, nullptr, nullptr) { run_pipeline<no_wait_for_tile>(planted); }

PLANT(missing_wait_for_room, "arrivals in a phase whose copies have not landed", everywhere, nullptr, nullptr) {
  run_pipeline<no_wait_for_room>(planted);
}

PLANT(missing_wait_for_products, wrong, everywhere, nullptr, nullptr) { run_pipeline<no_wait_for_products>(planted); }

}  // namespace whisper::plants
