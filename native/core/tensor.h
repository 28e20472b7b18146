// Shapes, views (what an operation sees) and tensors (views that keep their memory alive).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include <utility>

#include "core/dtype.h"

namespace whisper {

// Up to four dimensions, outermost first. The last dimension is the row.
struct Shape {
  std::array<int64_t, 4> dims{};
  int rank = 0;

  Shape() = default;
  Shape(std::initializer_list<int64_t> list) {
    for (int64_t dim : list) dims[rank++] = dim;
  }
  int64_t operator[](int i) const { return dims[i < 0 ? rank + i : i]; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  int64_t width() const { return rank ? dims[rank - 1] : 1; }  // elements of a row
  int64_t rows() const { return rank ? size() / (width() ? width() : 1) : 1; }
  bool operator==(const Shape&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Shape& shape) {
  out << '[';
  for (int i = 0; i < shape.rank; ++i) out << (i ? ", " : "") << shape.dims[i];
  return out << ']';
}

// What an operation sees of a tensor: an address, a shape, a type and where the rows lie. Owns nothing.
//
// Elements of a row are contiguous. Row r of a dense tensor is at r·width. A view may space its rows otherwise:
// queries inside packed [q | k | v] rows, keys inside a longer cache, and the windows of a convolution, which overlap.
// Such a view has rank 3, [batch, time, width], and element (b, t, c) is at b·batch_stride + t·row_stride + c.
struct View {
  void* address = nullptr;
  Shape shape;
  DType dtype = DType::F32;
  int64_t row_stride = 0;    // elements from a row to the next of the same batch entry
  int64_t batch_stride = 0;  // elements from the first row of a batch entry to the first of the next

  View() = default;
  View(void* address, Shape shape, DType dtype = DType::F32)
      : address(address), shape(shape), dtype(dtype), row_stride(shape.width()), batch_stride(row_stride * period()) {}

  explicit operator bool() const { return address != nullptr; }

  // Rows per entry of the outermost dimension: what batch_stride counts. One for a matrix's rows taken as a batch of
  // one.
  int64_t period() const { return shape.rank >= 3 ? shape.rows() / (shape[0] ? shape[0] : 1) : shape.rows(); }
  bool dense() const { return row_stride == shape.width() && batch_stride == row_stride * period(); }
  // Elements from the address to row r, rows counted through all dimensions but the last.
  int64_t row(int64_t r) const {
    const int64_t n = period();
    return (r / n) * batch_stride + (r % n) * row_stride;
  }
};

// How an operation uses an operand. The three differ only to the reader, to the bindings and in constness.
struct In : View {  // read
  In(const View& v) : View(v) {}
  template <class T>
  const T* as() const {
    return static_cast<const T*>(address);
  }
  template <class T>
  const T* row_of(int64_t r) const {
    return as<T>() + row(r);
  }
};
struct Out : View {  // overwritten
  Out(const View& v) : View(v) {}
  template <class T>
  T* as() const {
    return static_cast<T*>(address);
  }
  template <class T>
  T* row_of(int64_t r) const {
    return as<T>() + row(r);
  }
};
struct Acc : View {  // read and added to (or, for state, updated)
  Acc(const View& v) : View(v) {}
  template <class T>
  T* as() const {
    return static_cast<T*>(address);
  }
  template <class T>
  T* row_of(int64_t r) const {
    return as<T>() + row(r);
  }
};

struct Recipe;  // how to compute a tensor again (model/tape.h)

// A view that keeps its memory alive. Copies are handles to the same memory. A default-made tensor is absent, like
// the bias of a linear layer that has none.
class Tensor : public View {
 public:
  Tensor() = default;
  Tensor(std::shared_ptr<void> owner, Shape shape, DType dtype = DType::F32)
      : View(owner.get(), shape, dtype), owner_(std::move(owner)) {}

  // Where the tape may keep this instead of the memory; null for most tensors, and for views of others.
  std::shared_ptr<Recipe> recipe;
  std::weak_ptr<void> memory() const { return owner_; }

  // The same dense memory under another shape of as many elements.
  Tensor reshaped(Shape to) const { return with(View(address, to, dtype)); }

  // Elements [offset, offset + size) of dense memory, as a tensor of the given shape.
  Tensor part(int64_t offset, Shape to) const { return with(View(at(offset), to, dtype)); }

  // Any spacing of rows over the same memory: batch entries, rows and the elements of a row.
  Tensor strided(int64_t offset, Shape to, int64_t row_stride, int64_t batch_stride) const {
    View v(at(offset), to, dtype);
    v.row_stride = row_stride;
    v.batch_stride = batch_stride;
    return with(v);
  }

 private:
  void* at(int64_t offset) const {
    return static_cast<std::byte*>(address) + offset * static_cast<int64_t>(size_of(dtype));
  }
  Tensor with(const View& v) const {
    Tensor t;
    static_cast<View&>(t) = v;
    t.owner_ = owner_;
    return t;
  }
  std::shared_ptr<void> owner_;
};

}  // namespace whisper
