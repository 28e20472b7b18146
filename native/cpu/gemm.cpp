// The loops around the register tile: blocks that fit the caches, shares for the threads, and the split of long sums.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper::cpu {
namespace {

constexpr int64_t kDepth = 384;  // steps of k per block: an A panel of 14 x 384 floats is 21 KB, two thirds of L1
constexpr int64_t kBlockElements = 150000;  // of B, packed: 600 KB, more than half of L2
constexpr int64_t kSumElements = 100000;    // of a block of C held in f32: 400 KB, what B leaves of L2
constexpr int64_t kShareWork = 1 << 19;     // multiply-adds worth handing to another thread: about 10 µs
constexpr int64_t kSplitOutput = 1 << 16;   // a C of fewer elements may be computed in parts of its k …
constexpr int64_t kSplitDepth = 512;        // … of at least this many steps each

int64_t divide_up(int64_t n, int64_t d) { return (n + d - 1) / d; }
int64_t round_up(int64_t n, int64_t d) { return divide_up(n, d) * d; }

// Sums are in f32: those of a C of 16 bits lie in the workspace until they are whole.
bool keeps_sums(const Product& p) { return p.c.data.type != DType::F32; }
float* float_row(const OutRows& c, int64_t r) { return static_cast<float*>(c.row(r).address); }

// C is cut into `down` x `across` blocks of at most rows x columns; the k of each block in steps of `depth`.
struct Blocks {
  int64_t rows, columns, depth;
  int64_t down, across;
};

Blocks plan(const GemmKernels& kernels, const Product& p, int64_t shares) {
  const int64_t m = p.m, n = p.n, k = std::max<int64_t>(p.k, 1);
  Blocks blocks;
  blocks.depth = divide_up(k, divide_up(k, kDepth));
  // B is packed once per block, so blocks are tall, and as wide as the cache allows; narrower when there are few rows.
  int64_t across = divide_up(n, std::max(kBlockElements / blocks.depth, kernels.tile_columns));
  const int64_t tallest = divide_up(m, 8 * kernels.tile_rows);
  int64_t down = std::clamp(divide_up(shares, across), int64_t{1}, tallest);
  if (down * across < shares) across = divide_up(shares, down);
  blocks.columns = round_up(divide_up(n, across), kernels.tile_columns);
  // A block of sums that go on from one step of k to the next is to stay in cache, beside B.
  if (keeps_sums(p) && k > blocks.depth) down = std::max(down, divide_up(m, kSumElements / blocks.columns));
  blocks.rows = round_up(divide_up(m, down), kernels.tile_rows);
  blocks.down = divide_up(m, blocks.rows);
  blocks.across = divide_up(n, blocks.columns);
  return blocks;
}

void pack_b(const GemmKernels& kernels, const Factor& b, float* to, int64_t n0, int64_t n1, int64_t k0, int64_t depth) {
  const auto pack = b.direction == Factor::Across ? kernels.pack_b_across : kernels.pack_b_along;
  for (int64_t j = n0; j < n1; j += kernels.tile_columns, to += kernels.tile_columns * depth)
    pack(to, b.rows, j, std::min(kernels.tile_columns, n1 - j), k0, depth);
}

// How many floats a thread's workspace holds: a packed panel of A, a packed block of B, and the sums of a C that cannot
// hold them. Where one step covers k, a panel's sums are rounded at once and their place is used again.
struct Workspace {
  int64_t a, b, sums;

  Workspace(const GemmKernels& kernels, const Product& p, int64_t rows, int64_t columns, int64_t depth, int64_t k)
      : a(round_up(kernels.tile_rows * depth + 16, 16)),
        b(round_up(round_up(columns, kernels.tile_columns) * depth + 16, 16)),
        sums(keeps_sums(p) ? (k > depth ? rows : kernels.tile_rows) * columns : 0) {}
  int64_t floats() const { return round_up(a + b + sums, 16); }
};

// Rows [m0, m1) and columns [n0, n1) of C over steps [k0, k1) of k.
//
//          n0      n1          for each block of k
//         ┌──────────┐           pack its rows of B            (stays in L2)
//      m0 │ ━━━━━━━━ │           for each panel of rows
//         │ ━━━━━━━━ │             pack its piece of A          (stays in L1)
//      m1 │ ━━━━━━━━ │             multiply it with every panel of B
//         └──────────┘             round the sums after the last block of k, where C is of 16 bits
void multiply_block(const GemmKernels& kernels, const Product& p, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                    int64_t k0, int64_t k1, int64_t depth, const Workspace& space, float* memory) {
  float *const a = memory, *const b = a + space.a, *const all_sums = b + space.b;
  const auto pack_a = p.a.direction == Factor::Across ? kernels.pack_a_across : kernels.pack_a_along;
  const bool apart = keeps_sums(p), once = k1 - k0 <= depth;
  const int64_t columns = n1 - n0;
  for (int64_t k = k0; k < k1; k += depth) {
    const int64_t steps = std::min(depth, k1 - k);
    pack_b(kernels, p.b, b, n0, n1, k, steps);
    for (int64_t i = m0; i < m1; i += kernels.tile_rows) {
      const int64_t count = std::min(kernels.tile_rows, m1 - i);
      pack_a(a, p.a.rows, i, count, k, steps);
      float* sums[16];
      float* const kept = all_sums + (once ? 0 : (i - m0) * columns);
      for (int64_t r = 0; r < count; ++r) sums[r] = apart ? kept + r * columns : float_row(p.c, i + r) + n0;
      const float* bias = p.bias && k == 0 ? p.bias + n0 : nullptr;
      kernels.multiply(count, columns, steps, a, b, kernels.tile_columns, kernels.tile_columns * steps, sums, bias,
                       (p.add && !apart) || k > k0);
      if (apart && k + steps == k1)
        for (int64_t r = 0; r < count; ++r) kernels.round_sums(p.c.row(i + r) + n0, sums[r], columns, p.add);
    }
  }
}

// C += Σ of partial products over parts of k, added up in their order.
void split_product(const GemmKernels& kernels, const Product& p, int64_t parts) {
  thread_local Scratch workspaces, partials;
  const int64_t part = divide_up(p.k, parts), size = p.m * p.n;
  const int64_t depth = divide_up(part, divide_up(part, kDepth));
  float* const partial = partials.take<float>(parts * size + p.n);
  Product piece = p;
  piece.c = {partial, p.n};
  piece.add = false;
  piece.bias = nullptr;
  const Workspace space(kernels, piece, p.m, p.n, depth, part);
  float* const memory = workspaces.take<float>(space.floats() * threads());
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Product mine = piece;
      mine.c.data = partial + i * size;
      multiply_block(kernels, mine, 0, p.m, 0, p.n, i * part, std::min(p.k, (i + 1) * part), depth, space,
                     memory + thread_index() * space.floats());
    }
  });
  const bool apart = keeps_sums(p);
  for (int64_t i = 0; i < p.m; ++i) {
    float* const sums = apart ? partial + parts * size : float_row(p.c, i);
    for (int64_t j = 0; j < p.n; ++j) {
      float sum = p.add && !apart ? sums[j] : 0.0f;
      if (p.bias) sum += p.bias[j];
      for (int64_t q = 0; q < parts; ++q) sum += partial[q * size + i * p.n + j];
      sums[j] = sum;
    }
    if (apart) kernels.round_sums(p.c.row(i), sums, p.n, p.add);
  }
}

}  // namespace

void gemm(const GemmKernels& kernels, const Product& p) {
  if (p.m == 0 || p.n == 0 || (p.k == 0 && p.add)) return;
  if (p.m * p.n <= kSplitOutput && p.k >= 2 * kSplitDepth)
    return split_product(kernels, p, std::min<int64_t>(16, p.k / kSplitDepth));
  const int64_t work = p.m * p.n * std::max<int64_t>(p.k, 1);
  const int64_t shares = threads() == 1 ? 1 : std::clamp<int64_t>(work / kShareWork, 1, 4 * threads());
  const Blocks blocks = plan(kernels, p, shares);
  thread_local Scratch workspaces;
  const Workspace space(kernels, p, blocks.rows, blocks.columns, blocks.depth, p.k);
  float* const memory = workspaces.take<float>(space.floats() * threads());
  const int64_t count = blocks.down * blocks.across;
  parallel_for(count, shares == 1 ? count : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m0 = i % blocks.down * blocks.rows, n0 = i / blocks.down * blocks.columns;
      multiply_block(kernels, p, m0, std::min(p.m, m0 + blocks.rows), n0, std::min(p.n, n0 + blocks.columns), 0, p.k,
                     blocks.depth, space, memory + thread_index() * space.floats());
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
