// What an operation expects of its operands, checked at its entry: Expect op("gelu"); op.dense("x", x, rows, width);
// A wrong operand throws ShapeMismatch (InvalidArgument when it is absent, of another type, or spaced where it must not
// be), naming the operation, the operand, what came and what was expected.
#pragma once
#include "core/dropout.h"
#include "core/error.h"
#include "core/tensor.h"

namespace whisper {

class Expect {
 public:
  explicit Expect(const char* op) : op_(op) {}

  // Rows of `width` elements, wherever they lie.
  void strided(const char* name, const View& v, int64_t rows, int64_t width, DType type = DType::F32) const {
    present(name, v, type);
    if (v.shape.rows() != rows || v.shape.width() != width)
      fail(Code::ShapeMismatch, op_, ": ", name, " ", v.shape, ", expected ", rows, " rows of ", width);
  }
  // Rows of `width` elements, one behind the other.
  void dense(const char* name, const View& v, int64_t rows, int64_t width, DType type = DType::F32) const {
    strided(name, v, rows, width, type);
    contiguous(name, v);
  }
  // n elements of any shape.
  void flat(const char* name, const View& v, int64_t n, DType type = DType::F32) const {
    present(name, v, type);
    if (v.shape.size() != n) fail(Code::ShapeMismatch, op_, ": ", name, " ", v.shape, ", expected ", n, " elements");
    contiguous(name, v);
  }
  // At least `rows` rows of `width` elements, one behind the other: tables.
  void table(const char* name, const View& v, int64_t rows, int64_t width) const {
    present(name, v, DType::F32);
    if (v.shape.rows() < rows || v.shape.width() != width)
      fail(Code::ShapeMismatch, op_, ": ", name, " ", v.shape, ", expected at least ", rows, " rows of ", width);
    contiguous(name, v);
  }
  void rank(const char* name, const View& v, int rank) const {
    if (v.shape.rank != rank)
      fail(Code::ShapeMismatch, op_, ": ", name, " ", v.shape, ", expected ", rank, " dimensions");
  }
  // A float of the compute dtype, or f32 where that is allowed as well.
  DType compute(const char* name, const View& v) const {
    present(name, v, v.dtype);
    if (!is_float(v.dtype))
      fail(Code::InvalidArgument, op_, ": ", name, " is ", name_of(v.dtype), ", expected a float");
    return v.dtype;
  }
  DType compute_or_f32(const char* name, const View& v, DType compute) const {
    if (!v || v.dtype == DType::F32) return DType::F32;
    present(name, v, compute);
    return compute;
  }
  void rate(const Dropout& dropout) const {
    if (!(dropout.rate >= 0 && dropout.rate < 1))
      fail(Code::InvalidArgument, op_, ": rate is ", dropout.rate, ", expected at least 0 and below 1");
  }
  void present(const char* name, const View& v, DType type) const {
    if (!v) fail(Code::InvalidArgument, op_, ": ", name, " is absent");
    if (v.dtype != type)
      fail(Code::InvalidArgument, op_, ": ", name, " is ", name_of(v.dtype), ", expected ", name_of(type));
  }

 private:
  void contiguous(const char* name, const View& v) const {
    if (!v.dense()) fail(Code::InvalidArgument, op_, ": ", name, " ", v.shape, " must be dense");
  }
  const char* op_;
};

}  // namespace whisper
