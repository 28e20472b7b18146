// Products of every form, by every table's kernels, against sums in double: sizes around the register tiles, more steps
// of k than a block has, and enough blocks for factors that are packed as a whole.
#include "cpu/gemm.h"

#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "core/half.h"
#include "test.h"

using namespace whisper;
using namespace whisper::cpu;

namespace {

// Numbers of either sign that bf16 holds exactly where `narrow`.
std::vector<float> numbers(int64_t n, uint64_t seed, bool narrow) {
  std::vector<float> values(static_cast<size_t>(n));
  uint64_t state = seed * 2654435761u + 1;
  for (float& x : values) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    x = static_cast<float>(static_cast<int64_t>(state >> 33) - (1 << 30)) / (1 << 30);
    if (narrow) x = from_bf16(to_bf16(x));
  }
  return values;
}

std::vector<uint16_t> narrowed(const std::vector<float>& values) {
  std::vector<uint16_t> bits;
  for (const float x : values) bits.push_back(to_bf16(x));
  return bits;
}

struct Form {
  Factor::Direction a, b;
};
constexpr Form forms[] = {
    {Factor::Across, Factor::Across}, {Factor::Across, Factor::Along}, {Factor::Along, Factor::Along}};

enum class Result { plain, biased, added, with_addend, rounded, rounded_and_added };

void check_product(const GemmKernels& kernels, DType stored, double loss, int64_t m, int64_t n, int64_t k, Form form,
                   Result result) {
  const bool narrow = stored == DType::BF16;
  const auto a = numbers(m * k, 1, narrow), b = numbers(n * k, 2, narrow), bias = numbers(n, 3, false);
  const auto before = numbers(m * n, 4, true), addend = numbers(m * n, 5, false);
  const auto a16 = narrowed(a), b16 = narrowed(b);
  const auto rows = [&](const std::vector<float>& wide, const std::vector<uint16_t>& bits, int64_t stride) {
    return narrow ? Rows{{bits.data(), DType::BF16}, stride} : Rows{{wide.data(), DType::F32}, stride};
  };
  const bool round = result == Result::rounded || result == Result::rounded_and_added;
  const bool add = result == Result::added || result == Result::rounded_and_added;
  auto c = before;
  auto c16 = narrowed(before);
  Product product{m,
                  n,
                  k,
                  {rows(a, a16, form.a == Factor::Across ? k : m), form.a},
                  {rows(b, b16, form.b == Factor::Across ? k : n), form.b},
                  round ? OutRows{{c16.data(), DType::BF16}, n} : OutRows{{c.data(), DType::F32}, n}};
  if (result != Result::plain) product.bias = bias.data();
  product.add = add;
  if (result == Result::with_addend) product.addend = Rows{{addend.data(), DType::F32}, n};
  gemm(kernels, product);
  // The last row and column, and of a large product a share of the others.
  const int64_t stride = 1 + m * n * k / 4000000;
  int64_t wrong = 0;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      if ((i * n + j) % stride != 0 && i != m - 1 && j != n - 1) continue;
      double sum = 0, size = 0;
      for (int64_t s = 0; s < k; ++s) {
        const double x = a[form.a == Factor::Across ? i * k + s : s * m + i];
        const double y = b[form.b == Factor::Across ? j * k + s : s * n + j];
        sum += x * y;
        size += std::abs(x * y);
      }
      if (product.bias) sum += bias[j];
      if (add) sum += before[i * n + j];
      if (product.addend) sum += addend[i * n + j];
      const double rounding = 0x1p-24 * (8 + std::sqrt(static_cast<double>(k))) + loss;
      const double allowed = (size + 2) * rounding + (round ? 0x1p-8 * std::abs(sum) : 0);
      const double got = round ? from_bf16(c16[i * n + j]) : c[i * n + j];
      if (!(std::abs(got - sum) <= allowed)) ++wrong;
    }
  CHECK(wrong == 0);
}

void check_kernels(const GemmKernels& kernels, DType stored, double loss) {
  const int64_t tile = kernels.tile_rows, wide = kernels.tile_columns, deep = kernels.block_depth;
  for (const Form form : forms) {
    for (const int64_t m : {int64_t{1}, tile - 1, tile, 2 * tile + 1})
      for (const int64_t n : {int64_t{1}, wide / 2 + 1, wide, 2 * wide + 3})
        for (const int64_t k : {1, 2, 17, 33, 96}) check_product(kernels, stored, loss, m, n, k, form, Result::biased);
    for (const Result result : {Result::plain, Result::biased, Result::added, Result::with_addend, Result::rounded,
                                Result::rounded_and_added}) {
      check_product(kernels, stored, loss, 9 * tile + 5, 3 * wide + 1, deep + 7, form, result);
      check_product(kernels, stored, loss, 20, 30, 2 * deep + 1100, form, result);  // k is split
    }
    check_product(kernels, stored, loss, 40 * tile + 1, 41 * wide + 9, 50, form, Result::added);
    check_product(kernels, stored, loss, 260, 255, 8200, form, Result::rounded);  // k is split, C is not small
  }
}

// Sums that go on in rows of C that are not evenly spaced: of batches with a gap between them, which nothing may touch.
void check_uneven_rows(const GemmKernels& kernels, DType stored) {
  const int64_t m = 4 * kernels.tile_rows, n = 2 * kernels.tile_columns, k = kernels.block_depth + 40;
  const int64_t period = kernels.tile_rows - 1, gap = 5, batch = period * n + gap;
  const auto a = numbers(m * k, 1, true), b = numbers(n * k, 2, true);
  const auto a16 = narrowed(a), b16 = narrowed(b);
  const bool narrow = stored == DType::BF16;
  std::vector<float> c(static_cast<size_t>((m / period + 1) * batch), 3);
  const auto rows = [&](const std::vector<float>& wide, const std::vector<uint16_t>& bits) {
    return narrow ? Rows{{bits.data(), DType::BF16}, k} : Rows{{wide.data(), DType::F32}, k};
  };
  gemm(kernels, {m,
                 n,
                 k,
                 {rows(a, a16), Factor::Across},
                 {rows(b, b16), Factor::Across},
                 OutRows{{c.data(), DType::F32}, n, batch, period},
                 nullptr,
                 true});
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; j += 7) {
      double sum = 3;
      for (int64_t s = 0; s < k; ++s) sum += static_cast<double>(a[i * k + s]) * b[j * k + s];
      CHECK(std::abs(c[i / period * batch + i % period * n + j] - sum) < 1e-3);
    }
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < gap; ++j) CHECK(c[(i + 1) * batch - gap + j] == 3);
}

}  // namespace

TEST(products_are_right_in_every_table) {
  for (const std::string& isa : supported_isas()) {
    setenv("WHISPER_TUNE_ISA", isa.c_str(), 1);
    const Kernels& table = best_kernels();
    check_kernels(table.gemm, DType::F32, 0);
    check_kernels(table.products(DType::BF16), DType::BF16, 0);
    if (table.split_gemm) check_kernels(*table.split_gemm, DType::F32, 0x1p-15);
  }
  unsetenv("WHISPER_TUNE_ISA");
}

TEST(sums_go_on_in_rows_that_are_not_evenly_spaced) {
  for (const std::string& isa : supported_isas()) {
    setenv("WHISPER_TUNE_ISA", isa.c_str(), 1);
    const Kernels& table = best_kernels();
    check_uneven_rows(table.gemm, DType::F32);
    check_uneven_rows(table.products(DType::BF16), DType::BF16);
    if (table.split_gemm) check_uneven_rows(*table.split_gemm, DType::F32);
  }
  unsetenv("WHISPER_TUNE_ISA");
}
