// What operations take for themselves while they run, beside their operands. Said once, so that what the CPU takes from
// its pool and what the dry run counts agree.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/tensor.h"

namespace whisper {

// The classifier goes through its labelled rows in chunks. Of a chunk it holds the logits [rows, vocab] in f32, later
// their gradients, and behind them the rows of x and those of dx [rows, width] in the compute dtype.
struct ClassifierChunk {
  int64_t rows;
  size_t logits, inputs;  // bytes of the logits, and of the rows of x

  ClassifierChunk(int64_t labelled, int64_t vocab, int64_t width, DType type)
      : rows(std::clamp<int64_t>(most_logits / std::max<int64_t>(vocab, 1), 1, std::max<int64_t>(labelled, 1))),
        logits(static_cast<size_t>(rows * vocab) * sizeof(float)),
        inputs(static_cast<size_t>(rows * width) * size_of(type)) {}
  size_t bytes() const { return logits + 2 * inputs; }

 private:
  static constexpr int64_t most_logits = 8 << 20;  // 32 MB, some 160 rows of Whisper's vocabulary
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

// Adafactor takes a tensor as matrices [height, width], one behind the other, and a vector as a matrix of one row. Of
// each part of a matrix, `rows` of its rows, it holds the sums of the columns, and Σ U² in double; of each column
// a factor; of each matrix a mean in double. None of it depends on the number of threads.
struct AdafactorParts {
  static constexpr int64_t rows = 64;
  int64_t matrices = 1, height, width, count;  // count: parts of a matrix

  explicit AdafactorParts(const Shape& shape)
      : height(shape.rank >= 2 ? shape[-2] : 1), width(shape.width()), count((height + rows - 1) / rows) {
    for (int i = 0; i + 2 < shape.rank; ++i) matrices *= shape[i];
  }
  size_t bytes() const {
    return static_cast<size_t>(matrices) * ((static_cast<size_t>(count) + 1) * sizeof(double) +
                                            static_cast<size_t>((count + 1) * width) * sizeof(float));
  }
};

}  // namespace whisper
