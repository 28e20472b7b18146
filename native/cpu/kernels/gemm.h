// The pieces of a matrix product: packing of panels, and the register tile.
// cpu/gemm.cpp builds the whole product of them; attention uses them on its own tiles.
#pragma once
#include <cstdint>
#include <utility>

#include "cpu/kernels/floats.h"
#include "cpu/kernels/roof.h"

namespace whisper::cpu {

// Where the rows of a matrix lie, as in View: row r starts at data + (r / period)·batch_stride + (r %
// period)·row_stride. P is what points to elements: Floats and ConstFloats while their type is known only at run time.
template <class P>
struct RowsAt {
  P data;
  int64_t row_stride, batch_stride, period;

  RowsAt(P data, int64_t row_stride)  // evenly spaced, as if of one batch entry that never ends
      : RowsAt(data, row_stride, 0, int64_t{1} << 32) {}
  RowsAt(P data, const View& v) : RowsAt(data, v.row_stride, v.batch_stride, v.period() ? v.period() : 1) {}
  RowsAt(P data, int64_t row_stride, int64_t batch_stride, int64_t period)
      : data(data), row_stride(row_stride), batch_stride(batch_stride), period(period) {}

  P row(int64_t r) const {
    return r < period ? data + r * row_stride : data + (r / period) * batch_stride + (r % period) * row_stride;
  }
  // The same spacing of other elements.
  template <class Q>
  RowsAt<Q> with(Q other) const {
    return {other, row_stride, batch_stride, period};
  }

  // Row after row with an addition each, instead of a division.
  struct Walk {
    P at;
    int64_t left, period, row_stride, jump;
    void next() {
      at += row_stride;
      if (--left == 0) {
        at += jump;
        left = period;
      }
    }
  };
  Walk from(int64_t r) const {
    return {row(r), period - (r < period ? r : r % period), period, row_stride, batch_stride - period * row_stride};
  }
};
template <class T>
using RowsOf = RowsAt<T*>;
using Rows = RowsAt<ConstFloats>;  // of any float dtype, to be read
using OutRows = RowsAt<Floats>;    // and to be written

inline Rows rows_of(const In& v) { return {{v.address, v.dtype}, v}; }
inline OutRows rows_of(const Out& v) { return {{v.address, v.dtype}, v}; }

// Packs one panel. Panels are what the register tile reads, in the order in which it reads it:
//
//     element (k, i) at panel[k·width + i]        A panels are `tile_rows` wide, B panels `tile_columns`
//
//       k=0: a00 a10 a20 … | k=1: a01 a11 a21 … | k=2: …
//
// The panel takes `count` <= width of the matrix's lines, from `first`, and `depth` of their elements, from k0. A
// matrix is read across (its rows are the lines: packing transposes) or along (its rows are the steps of k: packing
// copies). Steps that fill up the last `depth_step` are zero. Places of lines that are not there hold numbers that are
// never stored. Up to a vector behind the panel is overwritten.
using Pack = void (*)(void* panel, const Rows& source, int64_t first, int64_t count, int64_t k0, int64_t depth);

// What becomes of sums that are whole: c[i][j] = sum + bias?[j] + addend?[i][j], rounded to the dtype of c.
struct Finish {
  void* const* c;  // rows
  DType type = DType::F32;
  const float* bias = nullptr;
  const void* const* addend = nullptr;  // rows, which may be those of c
  DType addend_type = DType::F32;
};

// One A panel times a row of B panels: sums[i][j] = (carry ? sums[i][j] : 0) + Σk a(k, i)·b(k, j)   for i < rows <=
// tile_rows, j < columns; stored as they are, or finished where `finish` says how. `sums` may then be null if nothing
// is carried, and may be the rows of c if these are f32.
struct PanelProduct {
  int64_t rows, columns, depth;
  const void *a, *b;
  int64_t b_step, b_panel;  // elements from a step of B to the next (f32 only), and from a B panel to the next
  float* const* sums;
  bool carry = false;
  const Finish* finish = nullptr;
  const void* next_a = nullptr;  // the A panel of the product after this one, to be fetched meanwhile, if it is known
  int64_t a_spacing = 0;         // bytes from kLineSteps steps of A to the next (multiply_lines only)
};

constexpr int64_t kLineSteps = 32;  // of A's lines where they are not packed

// A product's kernels, by what its factors are packed into:
//
//     f32     as they are
//     bf16    rounded, the elements of two steps side by side (Intel's VNNI layout):  a00 a01 a10 a11 a20 a21 … | …
//     split   f32 as the sum of two bf16, x = high + low, of which three products are made: high·high + high·low +
//             low·high. What is lost is of the order of 2⁻¹⁶ of |x|·|y|.
//
// Sums are in f32 always.
struct GemmKernels {
  int64_t tile_rows, tile_columns;
  int64_t depth_step;   // panels hold a multiple of this many steps
  int64_t bytes;        // of an element in a panel
  int64_t block_depth;  // steps of k at most whose A panel stays in L1 beside B passing through
  Pack pack_a_across, pack_a_along, pack_b_across, pack_b_along;
  void (*multiply)(const PanelProduct& product);
  // The same where A is not packed: kLineSteps steps of its lines, one line behind the other, `a_spacing` bytes before
  // the next so many. Null where it is not worth having.
  void (*multiply_lines)(const PanelProduct& product) = nullptr;
  // Finishes a row of n sums as the first of `finish`.
  void (*finish)(const float* sums, int64_t n, const Finish& finish);
  // What a thread has to do before and after products; null: nothing.
  void (*begin)() = nullptr;
  void (*end)() = nullptr;
  const RoofKernel* roof = nullptr;  // of the instructions that it is made of
  // What a block of a product takes of L2: B packed, and where its sums go on from one block of k to the next, less of
  // B and so many sums.
  int64_t b_bytes = 600 << 10, b_bytes_beside_sums = 600 << 10, sums_in_cache = 100000;
  int64_t share_work = 1 << 19;  // multiply-adds worth handing to another thread: about 10 µs

  int64_t steps(int64_t depth) const { return (depth + depth_step - 1) / depth_step * depth_step; }
};

// Products are made in the life of one of these, on its thread.
class Multiplying {
 public:
  explicit Multiplying(const GemmKernels& kernels) : end_(kernels.end) {
    if (kernels.begin) kernels.begin();
  }
  Multiplying(const Multiplying&) = delete;
  Multiplying& operator=(const Multiplying&) = delete;
  ~Multiplying() {
    if (end_) end_();
  }

 private:
  void (*end_)();
};

// Sums without panels.
struct RowProductKernels {
  // sums[j] += Σ over `count` rows of source[first + r][j], j < columns
  void (*column_sums)(float* sums, const Rows& source, int64_t first, int64_t count, int64_t columns);
};

}  // namespace whisper::cpu
