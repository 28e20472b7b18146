// See epilogue.h.
#include "cuda/cuda_backend.h"
#include "cuda/epilogue.cuh"
#include "cuda/epilogue.h"
#include "cuda/rows.cuh"
#include "cuda/typed.h"

namespace whisper::cuda {
namespace {

using namespace gpu;

constexpr int threads = 256;

// One thread finishes a quad of a row.
struct Place {
  int row, column;
};
GPU_FUNCTION Place quad_place(int columns) {
  const int64_t i = int64_t{blockIdx.x} * threads + threadIdx.x, quads = (columns + quad - 1) / quad;
  return {static_cast<int>(i / quads), static_cast<int>(i % quads) * quad};
}

template <class T>
__global__ void __launch_bounds__(threads)
    finish_sums_kernel(const __grid_constant__ Epilogue epilogue, const float* sums, int slabs, int rows,
                       const int32_t* live) {
  const Place at = quad_place(epilogue.columns);
  if (at.row >= rows || (live && at.row >= *live)) return;
  const int64_t pitch = slab_pitch(epilogue.columns);
  const float* from = sums + at.row * pitch + at.column;
  float total[quad], x[quad];
  load_run(total, from);
  for (int s = 1; s < slabs; ++s) {
    load_run(x, from += rows * pitch);
#pragma unroll
    for (int i = 0; i < quad; ++i) total[i] += x[i];
  }
  finish<T>(epilogue, at.row, at.column, total);
}

template <class T>
__global__ void __launch_bounds__(threads)
    finish_stored_kernel(const __grid_constant__ Epilogue epilogue, int rows, const int32_t* live) {
  const Place at = quad_place(epilogue.columns);
  if (at.row >= rows || (live && at.row >= *live)) return;
  float x[quad];
  load_cells<T>(x, epilogue.c, at.row, at.column, min(quad, epilogue.columns - at.column));
  finish<T>(epilogue, at.row, at.column, x);
}

// The rows of C that `live` leaves; there it counts steps of k, all rows are.
const int32_t* live_rows(const Product& p) { return p.a.direction == Factor::Across ? p.live : nullptr; }

Grid grid(const Product& p) { return {.x = blocks(p.m * blocks(p.n, quad), threads), .threads = threads}; }

}  // namespace

void finish_sums(CudaBackend& backend, const char* op, const Product& p, const float* sums, int64_t slabs) {
  typed(p.a.rows.dtype, [&](auto element) {
    launch(backend.device(), op, grid(p), finish_sums_kernel<decltype(element)>, Epilogue(p), sums,
           static_cast<int>(slabs), static_cast<int>(p.m), live_rows(p));
  });
}

void finish_stored(CudaBackend& backend, const char* op, const Product& p) {
  if (!p.gelu && !p.gelu_input) return;
  Product rest = p;
  rest.bias = nullptr, rest.add = false;
  typed(p.a.rows.dtype, [&](auto element) {
    launch(backend.device(), op, grid(p), finish_stored_kernel<decltype(element)>, Epilogue(rest),
           static_cast<int>(p.m), live_rows(p));
  });
}

}  // namespace whisper::cuda
