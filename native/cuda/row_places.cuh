// Where the rows of a product's operands begin, worked out in kernels by arithmetic of 32 bits.
#pragma once
#include <gpu/launch.cuh>

#include "cuda/gemm.h"

namespace whisper::cuda {

// As in Rows. Where batch entries follow each other without a gap there is but one, and nothing to divide by.
struct RowPlaces {
  int period;
  int64_t stride, batch_stride;  // in elements

  explicit RowPlaces(const Rows& rows) : stride(rows.stride), batch_stride(rows.batch_stride) {
    const bool one = rows.period >= INT32_MAX || rows.batch_stride == rows.period * rows.stride;
    period = one ? INT32_MAX : static_cast<int>(rows.period);
  }
  GPU_FUNCTION int64_t operator()(int row) const {
    if (row < period) return row * stride;
    const unsigned entry = static_cast<unsigned>(row) / static_cast<unsigned>(period);
    return entry * batch_stride + (row - static_cast<int64_t>(entry) * period) * stride;
  }
};

// Whether every row, and every `elements` elements from its beginning on, lies at a multiple of as many bytes as these
// have: one instruction may then move them.
inline bool in_units(const Rows& rows, int64_t elements) {
  const auto bytes = static_cast<uintptr_t>(elements) * size_of(rows.dtype);
  return reinterpret_cast<uintptr_t>(rows.address) % bytes == 0 && rows.stride % elements == 0 &&
         rows.batch_stride % elements == 0;
}

}  // namespace whisper::cuda
