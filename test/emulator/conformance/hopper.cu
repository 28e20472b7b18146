// Conformance of hopper.cuh: boxes, barriers and the products of warpgroups. sm_90a alone.
#include <gpu/hopper.cuh>

#include "conformance.h"

namespace whisper::conformance {
namespace {

using namespace gpu;

constexpr int box_bytes = 64 * 128;  // of 64 rows

// Where a box begins in its matrix.
struct Corner {
  int column, row;
};
constexpr int corners = 8;
struct Corners {
  Corner at[corners];
};

// Boxes one after another into the same memory, as they lie there.
__global__ void boxes_kernel(uint32_t* out, const __grid_constant__ TileMap map, Corners from, int box_rows) {
  const int words = box_rows * box_columns / 2;
  Shared shared;
  auto* const box = shared.take<uint32_t>(static_cast<unsigned>(words), 1024);
  auto* const full = shared.take<Barrier>(1, 8);
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init_fence();
  }
  __syncthreads();
  for (int i = 0; i < corners; ++i) {
    if (threadIdx.x == 0) {
      barrier_expect(full, words * 4);
      copy_tile(box, &map, from.at[i].column, from.at[i].row, full);
    }
    barrier_wait(full, i % 2);
    for (int k = static_cast<int>(threadIdx.x); k < words; k += 128) out[i * words + k] = box[k];
    __syncthreads();
  }
}

// A matrix in memory, with elements between its rows that are not its own.
template <class T>
struct Matrix {
  Matrix(Device& device, int rows, int columns, uint64_t seed)
      : rows(rows),
        columns(columns),
        stride((columns + 7) / 8 * 8 + 8),
        elements(random_factors<T>(static_cast<size_t>(rows) * static_cast<size_t>(stride), seed)),
        array(device, elements) {}

  TileMap map(int box_rows) const { return make_tile_map("conformance", array.get(), columns, rows, stride, box_rows); }
  double operator()(int row, int column) const {
    const bool inside = row < rows && column < columns;
    return inside ? number_of(elements[static_cast<size_t>(row * stride + column)]) : 0;
  }

  int rows, columns, stride;
  std::vector<T> elements;
  Array<T> array;
};

Result boxes(Device& device, int box_rows) {
  const Matrix<bf16> matrix(device, 300, 150, 21);
  const Corners from{{{0, 0}, {64, 3}, {128, 290}, {-9, -5}, {137, 20}, {-64, 0}, {17, 300}, {86, 255}}};
  const size_t bytes = static_cast<size_t>(box_rows) * 128;
  const Array<uint32_t> out(device, corners * bytes / 4);
  launch(device, "boxes", {.threads = 128, .shared = bytes + 1024 + 128}, boxes_kernel, out.get(), matrix.map(box_rows),
         from, box_rows);
  return {out.words()};
}

// Stores a thread's part of D[64, n], which warpgroup_mma describes.
template <int count>
GPU_FUNCTION void store_sums(float* d, const float (&sums)[count]) {
  const unsigned row = threadIdx.x % 128 / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
  for (int i = 0; i < count; ++i) d[(row + i / 2 % 2 * 8) * (2 * count) + i / 4 * 8 + column + i % 2] = sums[i];
}

// D[64, n] = 1 + A·B over 64 steps of k, in two groups of products.
template <class T, Major a_major, Major b_major, int count>
__global__ void __launch_bounds__(128)
    product_kernel(float* d, const __grid_constant__ TileMap a, const __grid_constant__ TileMap b) {
  constexpr int boxes = count / 32;  // of B
  Shared shared;
  auto* const at = shared.take<unsigned char>(box_bytes, 1024);
  auto* const bt = shared.take<unsigned char>(boxes * box_bytes, 1024);
  auto* const full = shared.take<Barrier>(1, 8);
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    barrier_expect(full, (1 + boxes) * box_bytes);
    copy_tile(at, &a, 0, 0, full);
    for (int i = 0; i < boxes; ++i)
      copy_tile(bt + i * box_bytes, &b, b_major == Major::MN ? i * 64 : 0, b_major == Major::MN ? 0 : i * 64, full);
  }
  barrier_wait(full, 0);
  float sums[count];
#pragma unroll
  for (int i = 0; i < count; ++i) sums[i] = 1;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    warpgroup_fence(sums);
#pragma unroll
    for (int k = half * 32; k < half * 32 + 32; k += 16)
      warpgroup_mma<T, a_major, b_major>(
          sums, factor_descriptor<a_major>(at + k * (a_major == Major::MN ? 128 : 2), box_bytes),
          factor_descriptor<b_major>(bt + k * (b_major == Major::MN ? 128 : 2), box_bytes));
    commit_products();
  }
  wait_for_products<0>(sums);
  store_sums(d, sums);
}

// 1 + A·B and how far each of it may be off; a(i, k) and b(j, k) give the factors.
template <class A, class B>
std::vector<float> allowed_of(int rows, int columns, int depth, const A& a, const B& b) {
  std::vector<float> allowed;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      double sum = 1;
      for (int k = 0; k < depth; ++k) sum += std::abs(a(i, k) * b(j, k));
      allowed.push_back(static_cast<float>(sum_tolerance * sum));
    }
  return allowed;
}

// Factors are smaller than their boxes: the rest is zero.
template <class T, Major a_major, Major b_major, int count>
Result product(Device& device) {
  constexpr int n = 2 * count, rows = 61, columns = n - 3, depth = 59;
  constexpr bool a_across = a_major == Major::K, b_across = b_major == Major::K;
  const Matrix<T> a(device, a_across ? rows : depth, a_across ? depth : rows, 22);
  const Matrix<T> b(device, b_across ? columns : depth, b_across ? depth : columns, 23);
  const Array<float> d(device, size_t{64} * n);
  launch(device, "wgmma", {.threads = 128, .shared = (1 + n / 64) * box_bytes + 2048},
         product_kernel<T, a_major, b_major, count>, d.get(), a.map(64), b.map(64));
  return {d.words(), allowed_of(
                         64, n, 64, [&](int i, int k) { return a_across ? a(i, k) : a(k, i); },
                         [&](int j, int k) { return b_across ? b(j, k) : b(k, j); })};
}

template <class T, int count>
Result products(Device& device) {
  Result all;
  for (const Result& one :
       {product<T, Major::K, Major::K, count>(device), product<T, Major::K, Major::MN, count>(device),
        product<T, Major::MN, Major::K, count>(device), product<T, Major::MN, Major::MN, count>(device)}) {
    all.words.insert(all.words.end(), one.words.begin(), one.words.end());
    all.allowed.insert(all.allowed.end(), one.allowed.begin(), one.allowed.end());
  }
  return all;
}

constexpr int stages = 2;

// D[128, 128] = 1 + A·Bᵀ by two warpgroups, and a third that copies into a ring of stages: how gemm_wgmma.cuh works.
__global__ void __launch_bounds__(384, 1)
    ring_kernel(float* d, const __grid_constant__ TileMap a, const __grid_constant__ TileMap b, int chunks) {
  Shared shared;
  auto* const tiles = shared.take<unsigned char>(stages * 4 * box_bytes, 1024);  // two boxes of A, two of B
  auto* const full = shared.take<Barrier>(stages, 8);
  auto* const empty = shared.take<Barrier>(stages, 8);
  if (threadIdx.x == 0) {
    for (int i = 0; i < stages; ++i) {
      barrier_init(full + i, 1);
      barrier_init(empty + i, 8);  // warps
    }
    barrier_init_fence();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    give_back_registers<40>();
    if (threadIdx.x == 0)
      for (int i = 0; i < chunks; ++i) {
        const int stage = i % stages, round = i / stages;
        barrier_wait(empty + stage, round % 2 ^ 1);
        barrier_expect(full + stage, 4 * box_bytes);
        for (int k = 0; k < 4; ++k)
          copy_tile(tiles + (stage * 4 + k) * box_bytes, k < 2 ? &a : &b, i * 64, k % 2 * 64, full + stage);
      }
    return;
  }
  ask_for_registers<232>();
  const int half = static_cast<int>(threadIdx.x) / 128 - 1;
  float sums[64];
#pragma unroll
  for (int i = 0; i < 64; ++i) sums[i] = 1;
  for (int i = 0; i < chunks; ++i) {
    const int stage = i % stages;
    const unsigned char* const tile = tiles + stage * 4 * box_bytes;
    barrier_wait(full + stage, i / stages % 2);
    warpgroup_fence(sums);
#pragma unroll
    for (int k = 0; k < 64; k += 16)
      warpgroup_mma<bf16, Major::K, Major::K>(sums, factor_descriptor<Major::K>(tile + half * box_bytes + k * 2),
                                              factor_descriptor<Major::K>(tile + 2 * box_bytes + k * 2));
    commit_products();
    wait_for_products<1>(sums);
    if (i > 0 && threadIdx.x % 32 == 0) barrier_arrive(empty + (i - 1) % stages);
  }
  wait_for_products<0>(sums);
  store_sums(d + half * 64 * 128, sums);
}

}  // namespace

CONFORMS_ON_HOPPER(boxes_of_8_rows) { return boxes(device, 8); }
CONFORMS_ON_HOPPER(boxes_of_64_rows) { return boxes(device, 64); }
CONFORMS_ON_HOPPER(boxes_of_256_rows) { return boxes(device, 256); }

CONFORMS_ON_HOPPER(warpgroup_products_of_f16_n128) { return products<f16, 64>(device); }
CONFORMS_ON_HOPPER(warpgroup_products_of_f16_n256) { return products<f16, 128>(device); }
CONFORMS_ON_HOPPER(warpgroup_products_of_bf16_n128) { return products<bf16, 64>(device); }
CONFORMS_ON_HOPPER(warpgroup_products_of_bf16_n256) { return products<bf16, 128>(device); }

CONFORMS_ON_HOPPER(ring_of_boxes) {
  constexpr int depth = 310, chunks = 5;
  const Matrix<bf16> a(device, 125, depth, 24), b(device, 128, depth, 25);
  const Array<float> d(device, size_t{128} * 128);
  launch(device, "ring", {.threads = 384, .shared = stages * 4 * box_bytes + 2048}, ring_kernel, d.get(), a.map(64),
         b.map(64), chunks);
  return {d.words(), allowed_of(128, 128, depth, a, b)};
}

}  // namespace whisper::conformance
