// Rows of an operand as kernels see them, and how many blocks a launch takes.
#pragma once
#include <gpu/launch.cuh>

#include "core/tensor.h"

namespace whisper::cuda {

constexpr int64_t blocks(int64_t n, int64_t per_block) { return (n + per_block - 1) / per_block; }

// Row r begins at (r / period)·batch_stride + (r % period)·stride: core/tensor.h, View.
template <class T>
struct RowsOf {
  T* data;
  int64_t period, stride, batch_stride;

  explicit RowsOf(const View& v)
      : data(static_cast<T*>(v.address)),
        period(v.period() > 0 ? v.period() : 1),
        stride(v.row_stride),
        batch_stride(v.batch_stride) {}
  GPU_FUNCTION T* row(int64_t r) const { return data + (r / period) * batch_stride + (r % period) * stride; }
};

}  // namespace whisper::cuda
