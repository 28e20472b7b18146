// Launches of the products of f32: which tile, how many slices.
#include "cuda/cuda_backend.h"
#include "cuda/division.h"
#include "cuda/gemm_candidates.h"
#include "cuda/gemm_f32.cuh"
#include "cuda/rows.cuh"
#include "cuda/slabs.h"

namespace whisper::cuda {
namespace {

constexpr int large = 128, small = 64;
// A tile's share of full speed is an estimate: a thread of the small one reads as much for a quarter of the products.
constexpr TileKind kinds[] = {{large, large, 100}, {small, small, 65}};
constexpr int64_t per_ns = 200;  // 53 TFLOP/s of 132 processors, eight tenths of their peak

template <Factor::Direction a, Factor::Direction b, int side, bool aligned>
void launch_tiles(CudaBackend& backend, const char* op, const Product& p, const Division& division) {
  const Slabs slabs(backend, p, division.slices);
  const gpu::Grid grid{.x = blocks(p.m, side) * blocks(p.n, side),
                       .z = division.slices,
                       .threads = f32_threads,
                       .shared = size_t{f32_stages} * 2 * side * depth<float> * sizeof(float)};
  gpu::launch(backend.device(), op, grid, f32_kernel<a, b, side, aligned>,
              TiledProduct(p, division.slice, slabs.stored()));
  slabs.finish(op);
}

template <Factor::Direction a, Factor::Direction b>
void choose_tiles(CudaBackend& backend, const char* op, const Product& p) {
  const Division division = divide(kinds, p.m, p.n, p.k, per_ns);
  const bool aligned = in_chunks<float>(p.a) && in_chunks<float>(p.b);
  if (division.tile == 0)
    aligned ? launch_tiles<a, b, large, true>(backend, op, p, division)
            : launch_tiles<a, b, large, false>(backend, op, p, division);
  else
    aligned ? launch_tiles<a, b, small, true>(backend, op, p, division)
            : launch_tiles<a, b, small, false>(backend, op, p, division);
}

}  // namespace

const GemmCandidate gemm_f32{
    "f32", [](const gpu::Properties&, const Product& p) { return p.a.rows.dtype == DType::F32 && has_form(p); },
    [](CudaBackend& backend, const char* op, const Product& p) {
      if (p.a.direction == Factor::Along)
        choose_tiles<Factor::Along, Factor::Along>(backend, op, p);
      else if (p.b.direction == Factor::Along)
        choose_tiles<Factor::Across, Factor::Along>(backend, op, p);
      else
        choose_tiles<Factor::Across, Factor::Across>(backend, op, p);
    }};

}  // namespace whisper::cuda
