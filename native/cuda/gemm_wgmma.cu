// Products by warpgroups: which ones, and how they are divided among blocks. gemm_wgmma.cuh has the kernel.
#include "cuda/cuda_backend.h"
#include "cuda/division.h"
#include "cuda/gemm_candidates.h"
#include "cuda/gemm_wgmma.cuh"
#include "cuda/slabs.h"

namespace whisper::cuda {
namespace {

using namespace wgmma;

// A narrow tile reads as much of A for half as many products.
constexpr TileKind kinds[] = {{tile_rows, 256, 100}, {tile_rows, 128, 80}};
constexpr int64_t per_ns = 2650;  // 700 TFLOP/s of 132 processors

constexpr size_t shared_bytes(int width) {
  return stages * (tile_rows + width) * tile_steps * 2 + consumers * 4 * 16 * parked * sizeof(float) +
         2 * stages * sizeof(Barrier) + 1024;
}
static_assert(shared_bytes(256) <= 227 * 1024);

// A factor as TMA sees it: a matrix in which rows follow each other at one distance and do not overlap.
bool is_matrix(const Factor& f, int64_t rows, int64_t steps) {
  const int64_t height = f.direction == Factor::Across ? rows : steps, width = rows + steps - height;
  const Rows& r = f.rows;
  const bool even = r.period >= height || r.batch_stride == r.period * r.stride;
  return even && r.stride >= width && r.stride % 8 == 0 && reinterpret_cast<uintptr_t>(r.address) % 16 == 0;
}

// Convolutions, whose rows overlap, and rows with gaps between batch entries are left to mma.sync, and so is `live`.
bool supports(const gpu::Properties& gpu, const Product& p) {
  const DType type = p.a.rows.dtype;
  return gpu.capability == 90 && gpu.shared >= shared_bytes(256) && size_of(type) == 2 && p.b.rows.dtype == type &&
         has_form(p) && p.m > 0 && p.n > 0 && p.k > 0 && !p.live && is_matrix(p.a, p.m, p.k) &&
         is_matrix(p.b, p.n, p.k);
}

template <class T, int width, Major a_major, Major b_major>
void launch_product(CudaBackend& backend, const char* op, const Product& p, const Work& work,
                    const Epilogue& epilogue) {
  const auto map = [&](const Factor& f, int64_t rows, int box_rows) {
    const bool across = f.direction == Factor::Across;
    return make_tile_map(op, f.rows.address, across ? p.k : rows, across ? rows : p.k, f.rows.stride, box_rows);
  };
  const int64_t items = int64_t{work.rows} * work.columns * work.slices;
  launch(backend.device(), op,
         {.x = std::min<int64_t>(items, backend.device().properties().processors),
          .threads = threads,
          .shared = shared_bytes(width)},
         product_kernel<T, width, a_major, b_major>, map(p.a, p.m, Part<a_major, tile_rows>::box_rows),
         map(p.b, p.n, Part<b_major, width>::box_rows), work, epilogue);
}

template <class T, int width>
void launch_form(CudaBackend& backend, const char* op, const Product& p, const Work& work, const Epilogue& epilogue) {
  if (p.a.direction == Factor::Along)
    launch_product<T, width, Major::MN, Major::MN>(backend, op, p, work, epilogue);
  else if (p.b.direction == Factor::Along)
    launch_product<T, width, Major::K, Major::MN>(backend, op, p, work, epilogue);
  else
    launch_product<T, width, Major::K, Major::K>(backend, op, p, work, epilogue);
}

template <class T>
void launch_width(CudaBackend& backend, const char* op, const Product& p, const Work& work, const Epilogue& epilogue,
                  int width) {
  if (width == 256)
    launch_form<T, 256>(backend, op, p, work, epilogue);
  else
    launch_form<T, 128>(backend, op, p, work, epilogue);
}

void run(CudaBackend& backend, const char* op, const Product& p) {
  const Division division = divide(kinds, p.m, p.n, p.k, per_ns);
  const auto over = [](int64_t a, int64_t b) { return static_cast<int>((a + b - 1) / b); };
  const int width = kinds[division.tile].columns;
  const int slice = over(division.slice, tile_steps) * tile_steps;
  const Work work{.m = static_cast<int>(p.m),
                  .k = static_cast<int>(p.k),
                  .rows = over(p.m, tile_rows),
                  .columns = over(p.n, width),
                  .slices = over(p.k, slice),
                  .slice = slice};
  const Slabs slabs(backend, p, work.slices);
  const Epilogue epilogue(slabs.stored());
  if (p.a.rows.dtype == DType::F16)
    launch_width<f16>(backend, op, p, work, epilogue, width);
  else
    launch_width<bf16>(backend, op, p, work, epilogue, width);
  slabs.finish(op);
}

}  // namespace

const GemmCandidate gemm_wgmma{"wgmma", supports, run};

}  // namespace whisper::cuda
