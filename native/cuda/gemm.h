// Matrix products on the GPU: C = A·B in any of the three forms that a linear layer needs, with what is done to the
// sums before they are stored.
#pragma once
#include <cstdint>

#include "core/tensor.h"

namespace whisper {
class CudaBackend;
}

namespace whisper::cuda {

// Rows of elements somewhere in device memory: row r begins at (r / period)·batch_stride + (r % period)·stride.
struct Rows {
  void* address = nullptr;
  DType dtype = DType::F32;
  int64_t stride = 0, period = 1, batch_stride = 0;  // in elements

  Rows() = default;
  Rows(const View& v)
      : address(v.address), dtype(v.dtype), stride(v.row_stride), period(v.period()), batch_stride(v.batch_stride) {}
  Rows(void* address, DType dtype, int64_t stride)
      : address(address), dtype(dtype), stride(stride), period(INT64_MAX), batch_stride(0) {}
  explicit operator bool() const { return address != nullptr; }
};

// One factor of a product. A[i, k] lies at rows.row(i)[k] if it is read across, at rows.row(k)[i] if along; B[k, j] at
// rows.row(j)[k] across, at rows.row(k)[j] along:
//
//     y  = x·Wᵀ      x across, W across
//     dx = dy·W      dy across, W along
//     dW = dyᵀ·x     dy along, x along
struct Factor {
  enum Direction { Across, Along };
  Rows rows;
  Direction direction;
};

// C[m, n] = A·B + bias?, or C += A·B + bias?. Both factors are of one dtype. Sums are in f32 over the whole of k and a
// C of 16 bits is rounded once; their order depends on the sizes and on nothing else, so that the same call gives the
// same bits.
struct Product {
  int64_t m, n, k;
  Factor a, b;
  Rows c;
  const float* bias = nullptr;
  bool add = false;
  // Of a C in the dtype of the factors, each [m, n] if present:
  // GELU of C as it is stored, in the dtype of C or in f32;
  Rows gelu = {};
  // C = round(A·B)·GELU'(gelu_input), rounded to the dtype of C, which gelu_input has too, before and after.
  Rows gelu_input = {};
  // In device memory, if present: of the rows of A read across, or of the steps of k if A is read along, only the first
  // live[0] exist. Rows of C beyond are left as they are.
  const int32_t* live = nullptr;
};
// In the three forms above; sizes are below 2³⁰.
void gemm(CudaBackend& backend, const char* op, const Product& product);

// sums[j] += Σ over the rows of source[r][j] for j < columns, in a fixed order.
void add_column_sums(CudaBackend& backend, const char* op, float* sums, const Rows& source, int64_t rows,
                     int64_t columns);

}  // namespace whisper::cuda
