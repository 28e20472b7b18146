// How a product is divided among blocks: into tiles of C, and where these are few, into slices of k as well, whose sums
// are added up by a second launch.
#pragma once
#include <cstddef>
#include <cstdint>

namespace whisper::cuda {

// Rows and columns of a tile, and what it reaches of the full speed of its kernel, in percent.
struct TileKind {
  int rows, columns, percent;
};

struct Division {
  size_t tile;            // which of the kinds
  int64_t slices, slice;  // slices of k, and the steps of each
};

// The division that is estimated to take the shortest time. It is a function of the sizes alone, so that sums have the
// same order everywhere: the estimate is of a GPU with 132 processors (H100, H200), each of which makes `per_ns`
// products of two elements in a nanosecond, and counts in integers. In it a block takes the time of its products and of
// 256 more steps of k, in which it starts and stores; slabs of sums are written and read at 3.5 TB/s; their launch
// takes 4 µs.
template <size_t kinds>
Division divide(const TileKind (&tiles)[kinds], int64_t m, int64_t n, int64_t k, int64_t per_ns) {
  constexpr int64_t processors = 132, start = 256, unit = 32, shortest = 256, most = 64;
  const auto over = [](int64_t a, int64_t b) { return (a + b - 1) / b; };
  Division best{};
  int64_t least = INT64_MAX;
  for (size_t tile = 0; tile < kinds; ++tile) {
    const TileKind& kind = tiles[tile];
    const int64_t blocks = over(m, kind.rows) * over(n, kind.columns), area = int64_t{kind.rows} * kind.columns;
    for (int64_t wanted = 1; wanted <= most; ++wanted) {
      const int64_t slice = over(over(k, wanted), unit) * unit;
      if (wanted > 1 && slice < shortest) break;
      const int64_t slices = k > 0 ? over(k, slice) : 1, busiest = over(blocks * slices, processors);
      int64_t time = busiest * area * (slice + start) / kind.percent * 100;
      if (slices > 1) time += (8 * slices * m * n / 3500 + 4000) * per_ns;
      if (time >= least) continue;
      least = time;
      best = {tile, slices, slice};
    }
  }
  return best;
}

}  // namespace whisper::cuda
