// Matrix products on the CPU: C = A·B in any of the three forms that a linear layer needs.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>

#include "cpu/kernels.h"

namespace whisper::cpu {

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

// C[m, n] = A·B + bias? + addend?, or C += A·B + bias?. Factors and C are of any float dtypes; what the kernels make of
// the factors (kernels/gemm.h: GemmKernels) is the caller's choice. Sums are in f32 over the whole of k and a C of 16
// bits is rounded once. Sums over k are taken in an order that depends on the sizes alone, so results do not depend on
// the number of threads.
struct Product {
  int64_t m, n, k;
  Factor a, b;
  OutRows c;
  const float* bias = nullptr;
  bool add = false;
  std::optional<Rows> addend = {};  // [m, n]
  // a_sums[i] += Σk A[i, k] of an A read along, by the way. Needs `row_products`.
  float* a_sums = nullptr;
  const RowProductKernels* row_products = nullptr;
  // Called for each piece of a finished row, by the thread that made it and while it is in its cache.
  std::function<void(int64_t row, int64_t column, int64_t columns)> then = {};
};
void gemm(const GemmKernels& kernels, const Product& product);

// sums[j] += Σ over rows of source[r][j], added up as the a_sums of a product by `kernels` are.
void add_column_sums(const GemmKernels& kernels, const RowProductKernels& row_products, float* sums, const Rows& source,
                     int64_t rows, int64_t columns);

}  // namespace whisper::cpu
