// What operations take for themselves while they run, beside their operands. Said once, so that what the CPU takes from
// its pool and what the dry run counts agree.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/tensor.h"

namespace whisper {

enum class DeviceKind { cpu, gpu };

// The classifier goes through its labelled rows in chunks. Of a chunk it holds the logits [rows, stride] in f32, later
// their gradients, and behind them the rows of x and those of dx [rows, width] in the compute dtype. A GPU does not
// tell how many rows have a label: there it is all that could, and behind the chunk lies a list of them in i32, and of
// how many each chunk has.
struct ClassifierChunk {
  int64_t rows, stride;
  size_t logits, inputs, lists;  // bytes of the logits, of the rows of x, and of the lists

  ClassifierChunk(DeviceKind kind, int64_t labelled, int64_t vocab, int64_t width, DType type)
      : rows(std::max<int64_t>(labelled, 1)), stride(std::max<int64_t>(vocab, 1)), lists(0) {
    // 32 MB, some 160 rows of Whisper's vocabulary. On a GPU 216 MB, and 1024 rows: there each chunk reads and writes
    // all of dW.
    int64_t most_rows = (8 << 20) / stride;
    if (kind == DeviceKind::gpu) stride = up(stride, 128), most_rows = std::min<int64_t>(1024, (54 << 20) / stride);
    rows = std::clamp<int64_t>(most_rows, 1, rows);
    logits = static_cast<size_t>(rows * stride) * sizeof(float);
    inputs = static_cast<size_t>(rows * width) * size_of(type);
    if (kind == DeviceKind::cpu) return;
    inputs = static_cast<size_t>(up(static_cast<int64_t>(inputs), 16));
    lists = static_cast<size_t>(labelled + (labelled + rows - 1) / rows) * sizeof(int32_t);
  }
  size_t bytes() const { return logits + 2 * inputs + lists; }

 private:
  static int64_t up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }
};

// The backward of layer norm sums dweight and dbias over chunks of rows; each chunk has a share of [width] of its own,
// which are added up in their order. Neither depends on the number of threads.
struct LayernormShares {
  int64_t rows, count;  // of a chunk, and of chunks

  explicit LayernormShares(int64_t all)
      : rows(std::max<int64_t>(16, (all + most_shares - 1) / most_shares)), count((all + rows - 1) / rows) {}
  size_t bytes(int64_t width) const { return static_cast<size_t>(count * width) * sizeof(float); }

 private:
  static constexpr int64_t most_shares = 128;
};

// On a GPU the norm is made of shares, sums in double of as many elements for each block of threads, however many
// processors there are.
struct NormShares {
  int64_t elements, count;  // of a share, and of shares

  explicit NormShares(int64_t all)
      : elements(std::max<int64_t>(1, (all + most_shares * unit - 1) / (most_shares * unit)) * unit),
        count((all + elements - 1) / elements) {}
  size_t bytes() const { return static_cast<size_t>(count) * sizeof(double); }

 private:
  static constexpr int64_t most_shares = 4096, unit = 4096;
};

// Adafactor takes a tensor as matrices [height, width], one behind the other, and a vector as a matrix of one row.
struct AdafactorMatrices {
  int64_t matrices = 1, height, width;

  explicit AdafactorMatrices(const Shape& shape) : height(shape.rank >= 2 ? shape[-2] : 1), width(shape.width()) {
    for (int i = 0; i + 2 < shape.rank; ++i) matrices *= shape[i];
  }
};

// Of each part of a matrix, `rows` of its rows, it holds the sums of the columns, and Σ U² in double; of each column
// a factor; of each matrix a mean in double. None of it depends on the number of threads.
struct AdafactorParts : AdafactorMatrices {
  static constexpr int64_t rows = 64;
  int64_t count;  // parts of a matrix

  explicit AdafactorParts(const Shape& shape) : AdafactorMatrices(shape), count((height + rows - 1) / rows) {}
  size_t bytes() const {
    return static_cast<size_t>(matrices) * ((static_cast<size_t>(count) + 1) * sizeof(double) +
                                            static_cast<size_t>((count + 1) * width) * sizeof(float));
  }
};

// On a GPU a part is cut into tiles, one for each block of threads. Of each tile it holds Σ U² / mean(row) in double;
// of each matrix mean(row) and Σ U² in double; of each row in each tile the sum of the squares; of each part the sums
// of the columns; and of each column a factor. The last two begin at a multiple of 16 bytes.
struct AdafactorTiles : AdafactorMatrices {
  static constexpr int rows = 32, columns = 512;  // of a tile
  int64_t parts, across;                          // of a matrix, and tiles of a part

  explicit AdafactorTiles(const Shape& shape)
      : AdafactorMatrices(shape), parts((height + rows - 1) / rows), across((width + columns - 1) / columns) {}
  int64_t count() const { return matrices * parts * across; }
  int64_t row_sums() const { return matrices * height * across; }
  int64_t column_sums() const { return matrices * parts * width; }
  int64_t factors() const { return matrices * width; }
  size_t before_columns() const {  // bytes before the sums of the columns
    const int64_t bytes = (count() + 2 * matrices) * static_cast<int64_t>(sizeof(double)) +
                          row_sums() * static_cast<int64_t>(sizeof(float));
    return static_cast<size_t>((bytes + 15) / 16 * 16);
  }
  size_t bytes() const { return before_columns() + static_cast<size_t>(column_sums() + factors()) * sizeof(float); }
};

}  // namespace whisper
