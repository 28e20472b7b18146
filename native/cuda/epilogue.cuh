// What happens to four neighbouring sums of a row of C, the same in every kernel that makes products.
#pragma once
#include <gpu/numbers.cuh>

#include "cuda/gelu.cuh"
#include "cuda/row_places.cuh"
#include "cuda/vector.cuh"

namespace whisper::cuda {

// Elements of a row moved together, from a column that is a multiple of four.
constexpr int quad = 4;

// A matrix of the shape of C, in f32 (wide) or in the dtype T that kernels are made for.
struct Cells {
  void* data;
  RowPlaces rows;
  bool wide, quads;  // quads: each can be moved by one instruction

  explicit Cells(const Rows& r) : data(r.address), rows(r), wide(r.dtype == DType::F32), quads(in_units(r, quad)) {}
  GPU_FUNCTION explicit operator bool() const { return data != nullptr; }
};

// The first `count` elements of a quad.
template <class T>
GPU_FUNCTION void load_elements(float (&x)[quad], const T* from, bool together, int count) {
  if (together && count == quad) return load_run(x, from);
#pragma unroll
  for (int i = 0; i < quad; ++i) x[i] = i < count ? gpu::to_float(from[i]) : 0;
}
template <class T>
GPU_FUNCTION void store_elements(T* to, const float (&x)[quad], bool together, int count) {
  if (together && count == quad) return store_run(to, x);
#pragma unroll
  for (int i = 0; i < quad; ++i)
    if (i < count) gpu::store(to + i, x[i]);
}
template <class T>
GPU_FUNCTION void load_cells(float (&x)[quad], const Cells& cells, int row, int column, int count) {
  const int64_t at = cells.rows(row) + column;
  if (std::is_same_v<T, float> || cells.wide)
    load_elements(x, static_cast<const float*>(cells.data) + at, cells.quads, count);
  else
    load_elements(x, static_cast<const T*>(cells.data) + at, cells.quads, count);
}
template <class T>
GPU_FUNCTION void store_cells(const Cells& cells, int row, int column, const float (&x)[quad], int count) {
  const int64_t at = cells.rows(row) + column;
  if (std::is_same_v<T, float> || cells.wide)
    store_elements(static_cast<float*>(cells.data) + at, x, cells.quads, count);
  else
    store_elements(static_cast<T*>(cells.data) + at, x, cells.quads, count);
}

// What a Product asks for beside the sums.
struct Epilogue {
  int columns;  // of C
  Cells c;
  const float* bias;
  bool add;
  Cells gelu, gelu_input;

  explicit Epilogue(const Product& p)
      : columns(static_cast<int>(p.n)), c(p.c), bias(p.bias), add(p.add), gelu(p.gelu), gelu_input(p.gelu_input) {}
};

// Finishes the sums of C[row, column …] and stores them. Columns that C does not have are left out. T is the dtype of
// the factors, and of a C behind which there is a GELU.
template <class T>
GPU_FUNCTION void finish(const Epilogue& e, int row, int column, float (&x)[quad]) {
  const int count = min(quad, e.columns - column);
  if (count <= 0) return;
  float other[quad];
  if (e.bias) {
    load_elements(other, e.bias + column, false, count);
#pragma unroll
    for (int i = 0; i < quad; ++i) x[i] += other[i];
  }
  if (e.add) {
    load_cells<T>(other, e.c, row, column, count);
#pragma unroll
    for (int i = 0; i < quad; ++i) x[i] += other[i];
  }
  if (e.gelu_input) {
    load_cells<T>(other, e.gelu_input, row, column, count);
#pragma unroll
    for (int i = 0; i < quad; ++i) x[i] = gpu::rounded<T>(x[i]) * gelu_derivative<T>(other[i]);
  }
  store_cells<T>(e.c, row, column, x, count);
  if (e.gelu) {
#pragma unroll
    for (int i = 0; i < quad; ++i) x[i] = gelu<T>(gpu::rounded<T>(x[i]));
    store_cells<T>(e.gelu, row, column, x, count);
  }
}

}  // namespace whisper::cuda
