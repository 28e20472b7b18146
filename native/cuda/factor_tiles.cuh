// The way of a factor from global to shared memory: a block's tiles of `depth` steps of k each, one after the other.
#pragma once
#include <gpu/ptx.cuh>

#include "cuda/row_places.cuh"

namespace whisper::cuda {

// A factor as kernels see it, and one dimension of C with its tiles.
struct TiledFactor {
  const void* data;
  RowPlaces rows;

  explicit TiledFactor(const Factor& factor) : data(factor.rows.address), rows(factor.rows) {}
};

// Elements are moved in chunks of 16 bytes, and a tile is as deep as four of them.
template <class T>
constexpr int chunk = 16 / static_cast<int>(sizeof(T));
template <class T>
constexpr int depth = 4 * chunk<T>;

// Whether the chunks of a factor's rows are aligned.
template <class T>
bool in_chunks(const Factor& factor) {
  return in_units(factor.rows, chunk<T>);
}

// Starts the copy of the first `count` elements of a chunk; zeros follow them. Copies of chunks that are not aligned
// move elements: f32 asynchronously as well, 16 bits by way of registers.
template <bool aligned, class T>
GPU_FUNCTION void copy_chunk(T* to, const T* from, int count) {
  const int present = max(0, min(count, chunk<T>));
  if constexpr (aligned) {
    gpu::copy_async16(to, from, present * static_cast<int>(sizeof(T)));
  } else if constexpr (sizeof(T) == 4) {
#pragma unroll
    for (int i = 0; i < chunk<T>; ++i) gpu::copy_async4(to + i, from + i, i < present ? 4 : 0);
  } else {
    uint32_t pairs[4] = {};
#pragma unroll
    for (int i = 0; i < chunk<T>; ++i)
      if (i < present) pairs[i / 2] |= static_cast<uint32_t>(from[i].bits) << (i % 2 * 16);
    gpu::store16(to, uint4{pairs[0], pairs[1], pairs[2], pairs[3]});
  }
}

// The tiles of a factor that a block needs for `extent` rows (columns) of C from `begin` on, of which there are `size`
// in all, and for the steps of k from `k_begin` to before `k_end`. A tile lies in shared memory as it does in global:
// read across it has a row of four chunks for each row of C, read along it has a row for each step of k. Where exactly
// chunk c of row r lies is Layout::place(r, c), which keeps what is read together in different banks. What the factor
// does not have is zero.
template <class T, Factor::Direction direction, int extent, int threads, bool aligned, class Layout>
class FactorTiles {
  static constexpr bool across = direction == Factor::Across;
  static constexpr int rows = across ? extent : depth<T>, chunks = (across ? depth<T> : extent) / chunk<T>;
  static constexpr int passes = rows * chunks / threads, rows_per_pass = threads / chunks;
  static_assert(passes * threads == rows * chunks && rows_per_pass * chunks == threads);

 public:
  static constexpr int elements = rows * chunks * chunk<T>;

  GPU_FUNCTION FactorTiles(const TiledFactor& factor, int begin, int size, int k_begin, int k_end)
      : rows_(factor.rows), steps_left_(k_end - k_begin) {
    const auto* const data = static_cast<const T*>(factor.data);
    const int thread = static_cast<int>(threadIdx.x);
    row_ = thread / chunks, column_ = thread % chunks;
    columns_left_ = size - begin - column_ * chunk<T>;
#pragma unroll
    for (int p = 0; p < passes; ++p) {
      const int row = row_ + p * rows_per_pass;
      if constexpr (across) {
        inside_[p] = begin + row < size;
        from_[p] = data + (inside_[p] ? rows_(begin + row) : 0) + k_begin + column_ * chunk<T>;
      } else {
        within_[p] = static_cast<int>((k_begin + row) % static_cast<unsigned>(rows_.period));
        from_[p] = data + rows_(k_begin + row) + begin + column_ * chunk<T>;
      }
    }
  }

  // Starts the copies of the next tile.
  GPU_FUNCTION void copy(T* tile) {
#pragma unroll
    for (int p = 0; p < passes; ++p) {
      const int row = row_ + p * rows_per_pass;
      T* const to = tile + Layout::place(row, column_);
      if constexpr (across) {
        copy_chunk<aligned>(to, from_[p], inside_[p] ? steps_left_ - column_ * chunk<T> : 0);
        from_[p] += depth<T>;
      } else {
        copy_chunk<aligned>(to, from_[p], row < steps_left_ ? columns_left_ : 0);
        forward(p);
      }
    }
    steps_left_ -= depth<T>;
  }

 private:
  // To the row of the same place in the next tile, over the ends of batch entries.
  GPU_FUNCTION void forward(int p) {
    from_[p] += depth<T> * rows_.stride;
    for (within_[p] += depth<T>; within_[p] >= rows_.period; within_[p] -= rows_.period)
      from_[p] += rows_.batch_stride - rows_.period * rows_.stride;
  }

  const RowPlaces& rows_;
  const T* from_[passes];  // where the thread's chunks of the next tile come from
  bool inside_[passes];    // across: whether C has the row
  int within_[passes];     // along: number of the row in its batch entry
  int row_, column_;       // of the thread's chunk in the first pass
  int steps_left_, columns_left_;
};

}  // namespace whisper::cuda
