// The loops around the register tile: blocks that fit the caches, shares for the threads, and the split of long sums.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper::cpu {
namespace {

constexpr int64_t kDepth = 384;  // steps of k per block: an A panel of 14 x 384 floats is 21 KB, two thirds of L1
constexpr int64_t kBlockElements = 150000;  // of B, packed: 600 KB, more than half of L2
constexpr int64_t kShareWork = 1 << 19;     // multiply-adds worth handing to another thread: about 10 µs
constexpr int64_t kSplitOutput = 1 << 16;   // a C of fewer elements may be computed in parts of its k …
constexpr int64_t kSplitDepth = 512;        // … of at least this many steps each

int64_t divide_up(int64_t n, int64_t d) { return (n + d - 1) / d; }
int64_t round_up(int64_t n, int64_t d) { return divide_up(n, d) * d; }

// C is cut into `down` x `across` blocks of at most rows x columns; the k of each block in steps of `depth`.
struct Blocks {
  int64_t rows, columns, depth;
  int64_t down, across;
};

Blocks plan(const GemmKernels& kernels, int64_t m, int64_t n, int64_t k, int64_t shares) {
  Blocks blocks;
  blocks.depth = divide_up(k, divide_up(k, kDepth));
  // B is packed once per block, so blocks are tall, and as wide as the cache allows; narrower when there are few rows.
  int64_t across = divide_up(n, std::max(kBlockElements / blocks.depth, kernels.tile_columns));
  const int64_t tallest = divide_up(m, 8 * kernels.tile_rows);
  int64_t down = std::clamp(divide_up(shares, across), int64_t{1}, tallest);
  if (down * across < shares) across = divide_up(shares, down);
  blocks.rows = round_up(divide_up(m, down), kernels.tile_rows);
  blocks.columns = round_up(divide_up(n, across), kernels.tile_columns);
  blocks.down = divide_up(m, blocks.rows);
  blocks.across = divide_up(n, blocks.columns);
  return blocks;
}

void pack_b(const GemmKernels& kernels, const Factor& b, float* to, int64_t n0, int64_t n1, int64_t k0, int64_t depth) {
  const auto pack = b.direction == Factor::Across ? kernels.pack_b_across : kernels.pack_b_along;
  for (int64_t j = n0; j < n1; j += kernels.tile_columns, to += kernels.tile_columns * depth)
    pack(to, b.rows, j, std::min(kernels.tile_columns, n1 - j), k0, depth);
}

// Rows [m0, m1) and columns [n0, n1) of C over steps [k0, k1) of k.
//
//          n0      n1          for each block of k
//         ┌──────────┐           pack its rows of B            (stays in L2)
//      m0 │ ━━━━━━━━ │           for each panel of rows
//         │ ━━━━━━━━ │             pack its piece of A          (stays in L1)
//      m1 │ ━━━━━━━━ │             multiply it with every panel of B
//         └──────────┘
void multiply_block(const GemmKernels& kernels, const Product& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                    int64_t k0, int64_t k1, int64_t depth, float* packs) {
  float* const a = packs;
  float* const b = packs + round_up(kernels.tile_rows * depth + 16, 16);
  const auto pack_a = p.a.direction == Factor::Across ? kernels.pack_a_across : kernels.pack_a_along;
  for (int64_t k = k0; k < k1; k += depth) {
    const int64_t steps = std::min(depth, k1 - k);
    pack_b(kernels, p.b, b, n0, n1, k, steps);
    for (int64_t i = m0; i < m1; i += kernels.tile_rows) {
      const int64_t count = std::min(kernels.tile_rows, m1 - i);
      pack_a(a, p.a.rows, i, count, k, steps);
      float* c[16];
      for (int64_t r = 0; r < count; ++r) c[r] = p.c.row(i + r) + n0;
      const float* bias = p.bias && k == 0 ? p.bias + n0 : nullptr;
      kernels.multiply(count, n1 - n0, steps, a, b, kernels.tile_columns, kernels.tile_columns * steps, c, bias,
                       p.add || k > k0);
    }
  }
}

int64_t pack_elements(const GemmKernels& kernels, int64_t columns, int64_t depth) {
  return round_up(kernels.tile_rows * depth + 16, 16) + round_up(columns, kernels.tile_columns) * depth + 16;
}

// C += Σ of partial products over parts of k, added up in their order.
void split_product(const GemmKernels& kernels, const Product& p, int64_t parts) {
  thread_local Scratch packs, sums;
  const int64_t part = divide_up(p.k, parts), size = p.m * p.n;
  const int64_t depth = divide_up(part, divide_up(part, kDepth));
  const int64_t share = pack_elements(kernels, p.n, depth);
  float* const pack = packs.take<float>(share * threads());
  float* const partial = sums.take<float>(parts * size);
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Product piece = p;
      piece.c = {partial + i * size, p.n};
      piece.add = false;
      piece.bias = nullptr;
      multiply_block(kernels, piece, 0, p.m, 0, p.n, i * part, std::min(p.k, (i + 1) * part), depth,
                     pack + thread_index() * share);
    }
  });
  for (int64_t i = 0; i < p.m; ++i) {
    float* const c = p.c.row(i);
    for (int64_t j = 0; j < p.n; ++j) {
      float sum = p.add ? c[j] : 0.0f;
      if (p.bias) sum += p.bias[j];
      for (int64_t q = 0; q < parts; ++q) sum += partial[q * size + i * p.n + j];
      c[j] = sum;
    }
  }
}

}  // namespace

void gemm(const GemmKernels& kernels, const Product& p) {
  if (p.m == 0 || p.n == 0 || (p.k == 0 && p.add)) return;
  if (p.m * p.n <= kSplitOutput && p.k >= 2 * kSplitDepth)
    return split_product(kernels, p, std::min<int64_t>(16, p.k / kSplitDepth));
  const int64_t work = p.m * p.n * std::max<int64_t>(p.k, 1);
  const int64_t shares = threads() == 1 ? 1 : std::clamp<int64_t>(work / kShareWork, 1, 4 * threads());
  const Blocks blocks = plan(kernels, p.m, p.n, std::max<int64_t>(p.k, 1), shares);
  thread_local Scratch packs;
  const int64_t share = pack_elements(kernels, blocks.columns, blocks.depth);
  float* const pack = packs.take<float>(share * threads());
  const int64_t count = blocks.down * blocks.across;
  parallel_for(count, shares == 1 ? count : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m0 = i % blocks.down * blocks.rows, n0 = i / blocks.down * blocks.columns;
      multiply_block(kernels, p, m0, std::min(p.m, m0 + blocks.rows), n0, std::min(p.n, n0 + blocks.columns), 0, p.k,
                     blocks.depth, pack + thread_index() * share);
    }
  });
}

void add_column_sums(const GemmKernels& kernels, float* sums, const Rows& source, int64_t rows, int64_t columns) {
  thread_local Scratch scratch;
  constexpr int64_t kRows = 256;  // per part: adding up in parts also keeps the rounding error small
  const int64_t parts = divide_up(rows, kRows);
  float* const partial = scratch.take<float>(parts * columns);
  parallel_for(parts, rows * columns < kShareWork / 16 ? parts : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      kernels.column_sums(partial + i * columns, source, i * kRows, std::min(kRows, rows - i * kRows), columns);
  });
  for (int64_t i = 0; i < parts; ++i)
    for (int64_t j = 0; j < columns; ++j) sums[j] += partial[i * columns + j];
}

}  // namespace whisper::cpu
