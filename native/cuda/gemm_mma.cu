// Launches of the products on tensor cores: which tile, how many slices.
#include "cuda/cuda_backend.h"
#include "cuda/division.h"
#include "cuda/gemm_candidates.h"
#include "cuda/gemm_mma.cuh"
#include "cuda/rows.cuh"
#include "cuda/slabs.h"
#include "cuda/typed.h"

namespace whisper::cuda {
namespace {

using Large = MmaTile<128, 256, 64, 64, 1>;
using Middle = MmaTile<128, 128, 64, 64, 2>;
using Small = MmaTile<64, 64, 32, 32, 4>;

// A tile's share of full speed is an estimate: the smaller it is, the more often each element of a factor is read.
constexpr TileKind kinds[] = {
    {Large::rows, Large::columns, 100}, {Middle::rows, Middle::columns, 90}, {Small::rows, Small::columns, 60}};
constexpr int64_t per_ns = 2200;  // 600 TFLOP/s of 132 processors, what mma.sync reaches on Hopper

template <class T, Factor::Direction a, Factor::Direction b, class Tile, bool aligned>
void launch_tiles(CudaBackend& backend, const char* op, const Product& p, const Division& division) {
  const Slabs slabs(backend, p, division.slices);
  const gpu::Grid grid{.x = blocks(p.m, Tile::rows) * blocks(p.n, Tile::columns),
                       .z = division.slices,
                       .threads = Tile::threads,
                       .shared = Tile::shared};
  gpu::launch(backend.device(), op, grid, mma_kernel<T, a, b, Tile, aligned>,
              TiledProduct(p, division.slice, slabs.stored()));
  slabs.finish(op);
}

// Factors that are not aligned, which only toys have, are read by small tiles alone. Their sums are the same ones: each
// is over the same steps of the same slices, in order of k, whatever tile it is in.
template <class T, Factor::Direction a, Factor::Direction b>
void choose_tiles(CudaBackend& backend, const char* op, const Product& p) {
  const Division division = divide(kinds, p.m, p.n, p.k, per_ns);
  if (!in_chunks<T>(p.a) || !in_chunks<T>(p.b))
    launch_tiles<T, a, b, Small, false>(backend, op, p, division);
  else if (division.tile == 0)
    launch_tiles<T, a, b, Large, true>(backend, op, p, division);
  else if (division.tile == 1)
    launch_tiles<T, a, b, Middle, true>(backend, op, p, division);
  else
    launch_tiles<T, a, b, Small, true>(backend, op, p, division);
}

template <class T>
void run(CudaBackend& backend, const char* op, const Product& p) {
  if (p.a.direction == Factor::Along)
    choose_tiles<T, Factor::Along, Factor::Along>(backend, op, p);
  else if (p.b.direction == Factor::Along)
    choose_tiles<T, Factor::Across, Factor::Along>(backend, op, p);
  else
    choose_tiles<T, Factor::Across, Factor::Across>(backend, op, p);
}

}  // namespace

const GemmCandidate gemm_mma{
    "mma", [](const gpu::Properties&, const Product& p) { return p.a.rows.dtype != DType::F32 && has_form(p); },
    [](CudaBackend& backend, const char* op, const Product& p) {
      p.a.rows.dtype == DType::F16 ? run<f16>(backend, op, p) : run<bf16>(backend, op, p);
    }};

}  // namespace whisper::cuda
