// The loops around the register tile: blocks that fit the caches, shares for the threads, and the split of long sums.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/scratch.h"
#include "cpu/thread_pool.h"

namespace whisper::cpu {
namespace {

constexpr int64_t kSharedBytes = 64 << 20;  // of a factor at most that is packed once for all threads
constexpr int64_t kSplitDepth = 512;        // A product may be computed in parts of this many steps of k or more …
constexpr int64_t kSplitOutput = 1 << 16;   // … if C has at most so many elements …
constexpr int64_t kSplitLength = 16;        // … or if k is so many times as long as C is high and wide.
constexpr int64_t kPartColumns = 256;       // of a matrix whose columns are summed up
constexpr int64_t kAdditions = 1 << 15;     // worth handing to another thread
constexpr int64_t kMostRows = 32;           // of a register tile, in any table

int64_t divide_up(int64_t n, int64_t d) { return (n + d - 1) / d; }
int64_t round_up(int64_t n, int64_t d) { return divide_up(n, d) * d; }

// Sums are in f32: those of a C of 16 bits lie in the workspace until they are whole.
bool sums_apart(const Product& p) { return p.c.data.type != DType::F32; }

// C is cut into `down` x `across` blocks of at most rows x columns; the k of each block in steps of `depth`.
struct Blocks {
  int64_t rows, columns, depth;
  int64_t down, across;
};

// The steps of k that are multiplied at a time: even shares of k, none longer than the table wants.
int64_t depth_of(const GemmKernels& kernels, int64_t k) {
  return kernels.steps(divide_up(std::max<int64_t>(k, 1), divide_up(std::max<int64_t>(k, 1), kernels.block_depth)));
}

Blocks plan(const GemmKernels& kernels, const Product& p, int64_t shares) {
  Blocks blocks;
  blocks.depth = depth_of(kernels, p.k);
  // Blocks are tall, and as wide as the cache allows; narrower when there are few rows.
  const bool sums_go_on = p.k > blocks.depth;
  const int64_t widest = (sums_go_on ? kernels.b_bytes_beside_sums : kernels.b_bytes) / (blocks.depth * kernels.bytes);
  int64_t across = divide_up(p.n, std::max(widest, kernels.tile_columns));
  const int64_t tallest = divide_up(p.m, 8 * kernels.tile_rows);
  int64_t down = std::clamp(divide_up(shares, across), int64_t{1}, tallest);
  if (down * across < shares) across = divide_up(shares, down);
  blocks.columns = round_up(divide_up(p.n, across), kernels.tile_columns);
  // A block of sums that go on from one step of k to the next is to stay in cache, beside B.
  if (sums_go_on) down = std::max(down, divide_up(p.m, std::max<int64_t>(kernels.sums_in_cache / blocks.columns, 1)));
  blocks.rows = round_up(divide_up(p.m, down), kernels.tile_rows);
  blocks.down = divide_up(p.m, blocks.rows);
  blocks.across = divide_up(p.n, blocks.columns);
  return blocks;
}

// A factor as panels of `lines` lines and at most `depth` steps of k, `spacing` bytes apart.
class Panels {
 public:
  Panels(const Factor& factor, Pack across, Pack along, int64_t lines, int64_t count, const GemmKernels& kernels,
         int64_t depth)
      : lines(lines),
        // Packing may overwrite a vector behind a panel of A, whose neighbour another thread may be packing.
        spacing(round_up(lines * depth * kernels.bytes, 64) + (lines % 16 ? 64 : 0)),
        factor_(factor),
        pack_(factor.direction == Factor::Across ? across : along),
        count_(count),
        depth_(depth) {}

  int64_t bytes(int64_t first, int64_t last) const { return divide_up(last - first, lines) * spacing + 64; }

  // Lines [first, last), steps [k, k + steps).
  void fill(std::byte* to, int64_t first, int64_t last, int64_t k, int64_t steps) const {
    for (int64_t i = first; i < last; i += lines, to += spacing)
      pack_(to, factor_.rows, i, std::min(lines, last - i), k, steps);
  }

  // All of the factor, by all threads: the panels of the first `depth` steps, then those of the next.
  int64_t whole_bytes(int64_t k) const { return divide_up(k, depth_) * bytes(0, count_); }
  void fill_whole(std::byte* to, int64_t k) {
    whole_ = to;
    const int64_t panels = divide_up(count_, lines);
    parallel_for(divide_up(k, depth_) * panels, std::max<int64_t>(1, (1 << 17) / spacing),
                 [&](int64_t at, int64_t end) {
                   for (; at < end; ++at) {
                     const int64_t k0 = at / panels * depth_, i = at % panels * lines;
                     fill(to + place(i, k0), i, std::min(count_, i + lines), k0, std::min(depth_, k - k0));
                   }
                 });
  }
  bool whole() const { return whole_ != nullptr; }
  const std::byte* at(int64_t line, int64_t k) const { return whole_ + place(line, k); }

  int64_t lines, spacing;

 private:
  int64_t place(int64_t line, int64_t k) const { return k / depth_ * bytes(0, count_) + line / lines * spacing; }

  const Factor& factor_;
  Pack pack_;
  int64_t count_, depth_;
  const std::byte* whole_ = nullptr;
};

// sums[j] += Σ over `count` rows of source[k + r][j] for columns [j, j + columns), at most kPartColumns
void add_part(const RowProductKernels& kernels, float* sums, const Rows& source, int64_t k, int64_t count, int64_t j,
              int64_t columns) {
  float part[kPartColumns];
  kernels.column_sums(part, source.with(source.data + j), k, count, columns);
  for (int64_t c = 0; c < columns; ++c) sums[j + c] += part[c];
}

// What a block of a product needs: both factors as panels, and a thread's workspace for what is not packed as a whole.
struct Work {
  const GemmKernels& kernels;
  const Product& p;
  int64_t depth;
  Panels a, b;

  Work(const GemmKernels& kernels, const Product& p, int64_t depth)
      : kernels(kernels),
        p(p),
        depth(depth),
        a(p.a, kernels.pack_a_across, kernels.pack_a_along, kernels.tile_rows, p.m, kernels, depth),
        b(p.b, kernels.pack_b_across, kernels.pack_b_along, kernels.tile_columns, p.n, kernels, depth) {}

  int64_t a_bytes() const { return a.whole() ? 0 : round_up(a.bytes(0, 1), 64); }
  int64_t b_bytes(int64_t columns) const { return b.whole() ? 0 : round_up(b.bytes(0, columns), 64); }
  bool keeps_sums(int64_t k) const { return sums_apart(p) && k > depth; }
  int64_t bytes(int64_t rows, int64_t columns, int64_t k) const {
    const int64_t sums = keeps_sums(k) ? rows * columns * static_cast<int64_t>(sizeof(float)) : 0;
    return round_up(a_bytes() + b_bytes(columns) + sums, 64);
  }
};

// Rows [m0, m1) and columns [n0, n1) of C over steps [k0, k1) of k.
//
//          n0      n1          for each block of k
//         ┌──────────┐           pack its rows of B            (stays in L2)
//      m0 │ ━━━━━━━━ │           for each panel of rows
//         │ ━━━━━━━━ │             pack its piece of A          (stays in L1)
//      m1 │ ━━━━━━━━ │             multiply it with every panel of B
//         └──────────┘             and finish the sums after the last block of k
//
// What is packed as a whole already is read where it lies.
void multiply_block(const Work& work, int64_t m0, int64_t m1, int64_t n0, int64_t n1, int64_t k0, int64_t k1,
                    std::byte* memory) {
  const auto& [kernels, p, depth, a, b] = work;
  const Multiplying products(kernels);
  std::byte *const a_panel = memory, *const b_panels = a_panel + work.a_bytes();
  auto* const sums_here = reinterpret_cast<float*>(b_panels + work.b_bytes(n1 - n0));
  const bool apart = sums_apart(p);
  const int64_t columns = n1 - n0;
  for (int64_t k = k0; k == k0 || k < k1; k += depth) {  // once even if there is nothing to sum up
    const int64_t steps = std::min(depth, k1 - k);
    const bool first = k == k0, last = k + steps == k1;
    if (!b.whole()) b.fill(b_panels, n0, n1, k, steps);
    for (int64_t i = m0; i < m1; i += a.lines) {
      const int64_t count = std::min(a.lines, m1 - i);
      if (!a.whole()) a.fill(a_panel, i, i + count, k, steps);
      if (p.a_sums && n0 == 0) add_part(*p.row_products, p.a_sums, p.a.rows, k, steps, i, count);
      void* c[kMostRows];
      float* sums[kMostRows];
      const void* addend[kMostRows];
      for (int64_t r = 0; r < count; ++r) {
        c[r] = (p.c.row(i + r) + n0).address;
        sums[r] = apart ? sums_here + (i - m0 + r) * columns : static_cast<float*>(c[r]);
        addend[r] = p.addend ? (p.addend->row(i + r) + n0).address : c[r];
      }
      Finish finish{c, p.c.data.type, p.bias ? p.bias + n0 : nullptr};
      if (p.addend || (p.add && apart)) {
        finish.addend = addend;
        finish.addend_type = p.addend ? p.addend->data.type : p.c.data.type;
      }
      const std::byte* next_a = nullptr;
      if (a.whole() && i + a.lines < m1)
        next_a = a.at(i + a.lines, k);
      else if (a.whole() && !last)
        next_a = a.at(m0, k + depth);
      kernels.multiply({.rows = count,
                        .columns = columns,
                        .depth = kernels.steps(steps),
                        .a = a.whole() ? a.at(i, k) : a_panel,
                        .b = b.whole() ? b.at(n0, k) : b_panels,
                        .b_step = kernels.tile_columns,
                        .b_panel = b.spacing / kernels.bytes,
                        .sums = sums,
                        .carry = !first || (p.add && !apart),
                        .finish = last ? &finish : nullptr,
                        .next_a = next_a});
      if (last && p.then)
        for (int64_t r = 0; r < count; ++r) p.then(i + r, n0, columns);
    }
  }
}

// C = Σ of partial products over parts of k, added up in their order.
void split_product(const GemmKernels& kernels, const Product& p, int64_t parts) {
  thread_local Scratch workspaces, partials;
  const int64_t part = kernels.steps(divide_up(p.k, parts)), size = p.m * p.n;
  parts = divide_up(p.k, part);
  float* const partial = partials.take<float>(parts * size);
  Product piece = p;
  piece.c = {partial, p.n};
  piece.add = false;
  piece.bias = nullptr;
  piece.addend.reset();
  piece.then = nullptr;
  piece.a_sums = nullptr;
  const int64_t depth = depth_of(kernels, part), bytes = Work(kernels, piece, depth).bytes(p.m, p.n, part);
  std::byte* const memory = workspaces.take<std::byte>(bytes * threads());
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Product mine = piece;
      mine.c.data = partial + i * size;
      multiply_block(Work(kernels, mine, depth), 0, p.m, 0, p.n, i * part, std::min(p.k, (i + 1) * part),
                     memory + thread_index() * bytes);
    }
  });
  parallel_for(p.m, std::max<int64_t>(1, (1 << 14) / p.n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* const sums = partial + i * p.n;
      for (int64_t q = 1; q < parts; ++q)
        for (int64_t j = 0; j < p.n; ++j) sums[j] += partial[q * size + i * p.n + j];
      void* const c = p.c.row(i).address;
      const void* const addend = p.addend ? p.addend->row(i).address : c;
      Finish finish{&c, p.c.data.type, p.bias};
      if (p.addend || p.add) {
        finish.addend = &addend;
        finish.addend_type = p.addend ? p.addend->data.type : p.c.data.type;
      }
      kernels.finish(sums, p.n, finish);
      if (p.then) p.then(i, 0, p.n);
    }
  });
}

// How many parts of k a product is split into: 1 where blocks of C are enough for the threads.
int64_t parts_of(const Product& p) {
  const bool small = p.m * p.n <= kSplitOutput && p.k >= 2 * kSplitDepth;
  if (!small && p.k < kSplitLength * std::max({p.m, p.n, kSplitDepth})) return 1;
  return std::min<int64_t>(small ? 16 : 8, p.k / kSplitDepth);
}

}  // namespace

void gemm(const GemmKernels& kernels, const Product& p) {
  if (p.m == 0 || p.n == 0 || (p.k == 0 && p.add)) return;
  if (const int64_t parts = parts_of(p); parts > 1) {
    if (p.a_sums) add_column_sums(kernels, *p.row_products, p.a_sums, p.a.rows, p.k, p.m);
    return split_product(kernels, p, parts);
  }
  const int64_t product = p.m * p.n * std::max<int64_t>(p.k, 1);
  const int64_t shares = threads() == 1 ? 1 : std::clamp<int64_t>(product / kernels.share_work, 1, 4 * threads());
  const Blocks blocks = plan(kernels, p, shares);
  thread_local Scratch workspaces, whole_a, whole_b;
  Work work(kernels, p, blocks.depth);
  // A factor that several blocks need is packed once, before them.
  const auto share = [&](Panels& panels, int64_t blocks_that_need_it, Scratch& scratch) {
    const int64_t bytes = panels.whole_bytes(p.k);
    if (blocks_that_need_it > 1 && p.k > 0 && bytes <= kSharedBytes)
      panels.fill_whole(scratch.take<std::byte>(bytes), p.k);
  };
  share(work.a, blocks.across, whole_a);
  share(work.b, blocks.down, whole_b);
  const int64_t bytes = work.bytes(blocks.rows, blocks.columns, p.k);
  std::byte* const memory = workspaces.take<std::byte>(bytes * threads());
  const int64_t count = blocks.down * blocks.across;
  parallel_for(count, shares == 1 ? count : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m0 = i % blocks.down * blocks.rows, n0 = i / blocks.down * blocks.columns;
      multiply_block(work, m0, std::min(p.m, m0 + blocks.rows), n0, std::min(p.n, n0 + blocks.columns), 0, p.k,
                     memory + thread_index() * bytes);
    }
  });
}

void add_column_sums(const GemmKernels& kernels, const RowProductKernels& row_products, float* sums, const Rows& source,
                     int64_t rows, int64_t columns) {
  const int64_t depth = depth_of(kernels, rows);
  parallel_for(columns, rows * columns < kAdditions ? columns : kPartColumns, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; j += kPartColumns)
      for (int64_t k = 0; k < rows; k += depth)
        add_part(row_products, sums, source, k, std::min(depth, rows - k), j, std::min(kPartColumns, end - j));
  });
}

}  // namespace whisper::cpu
