// See products.h.
#include "products.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "../native/test.h"
#include "core/half.h"
#include "core/random.h"
#include "cuda/cuda_backend.h"
#include "cuda/open.h"

namespace whisper::test {
namespace {

using cuda::Factor;
using cuda::Product;
using cuda::Rows;

float number(uint32_t bits, DType type) {
  return type == DType::F32 ? std::bit_cast<float>(bits)
                            : (type == DType::F16 ? from_f16 : from_bf16)(static_cast<uint16_t>(bits));
}

// Rows on the device, `gap` elements apart, and what they are on the host. Rows that are not live are NaN.
struct Matrix {
  Matrix(CudaBackend& backend, int64_t rows, int64_t columns, DType type, int64_t gap, uint64_t seed,
         int64_t live = INT64_MAX)
      : backend(&backend), rows(rows), columns(columns), stride(columns + gap), type(type) {
    const auto size = static_cast<size_t>(rows * stride);
    const Philox random(seed);
    std::vector<unsigned char> bytes(size * size_of(type));
    for (size_t i = 0; i < size; ++i) {
      const auto row = static_cast<int64_t>(i) / stride, column = static_cast<int64_t>(i) % stride;
      const float x = column < columns && row < live ? random.normal(i) : NAN;
      if (type == DType::F32) {
        std::memcpy(&bytes[i * 4], &x, 4);
      } else {
        const uint16_t half = type == DType::F16 ? to_f16(x) : to_bf16(x);
        std::memcpy(&bytes[i * 2], &half, 2);
      }
    }
    memory = backend.allocate(bytes.size());
    backend.upload(memory.get(), bytes.data(), bytes.size());
    before = std::move(bytes);
    values.resize(size);
    for (int64_t i = 0; i < static_cast<int64_t>(size); ++i) values[static_cast<size_t>(i)] = at(before, 0, i);
  }

  Rows view() const { return Rows(memory.get(), type, stride); }
  double at(const std::vector<unsigned char>& bytes, int64_t row, int64_t column) const {
    uint32_t bits = 0;
    std::memcpy(&bits, &bytes[static_cast<size_t>(row * stride + column) * size_of(type)], size_of(type));
    return number(bits, type);
  }
  double at(int64_t row, int64_t column) const { return values[static_cast<size_t>(row * stride + column)]; }
  std::vector<unsigned char> now() const {
    std::vector<unsigned char> bytes(before.size());
    backend->download(bytes.data(), memory.get(), bytes.size());
    return bytes;
  }

  CudaBackend* backend;
  int64_t rows, columns, stride;
  DType type;
  std::shared_ptr<void> memory;
  std::vector<unsigned char> before;
  std::vector<double> values;  // of before
};

double gelu(double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }
double gelu_derivative(double x) {
  return 0.5 * std::erfc(-x * M_SQRT1_2) + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
}

}  // namespace

void check_product(const cuda::GemmCandidate& candidate, const ProductCase& test) {
  const std::shared_ptr<Backend> opened = cuda::open_emulator();
  auto& backend = static_cast<CudaBackend&>(*opened);
  const auto& [form, m, n, k, factors, c_type, beside] = test;
  const auto& [bias, add, with_gelu, with_gelu_input, gap, wide_gelu, live] = beside;
  const bool a_along = form == ProductCase::dW, b_along = form != ProductCase::y;
  const int64_t live_rows = live < 0 || a_along ? m : std::min(live, m);
  const int64_t steps = live < 0 || !a_along ? k : std::min(live, k);
  Matrix a(backend, a_along ? k : m, a_along ? m : k, factors, gap, 1, a_along ? steps : live_rows);
  Matrix b(backend, b_along ? k : n, b_along ? n : k, factors, gap, 2, b_along ? steps : n);
  Matrix biases(backend, 1, n, DType::F32, 0, 3);
  const DType gelu_type = wide_gelu ? DType::F32 : c_type;
  Matrix input(backend, m, n, c_type, gap, 4), gelus(backend, m, n, gelu_type, gap, 5),
      c(backend, m, n, c_type, gap, 6);
  std::shared_ptr<void> live_count;
  Product product{.m = m,
                  .n = n,
                  .k = k,
                  .a = {a.view(), a_along ? Factor::Along : Factor::Across},
                  .b = {b.view(), b_along ? Factor::Along : Factor::Across},
                  .c = c.view(),
                  .bias = bias ? static_cast<const float*>(biases.memory.get()) : nullptr,
                  .add = add};
  if (live >= 0) {
    const auto count = static_cast<int32_t>(live);
    live_count = backend.allocate(sizeof count);
    backend.upload(live_count.get(), &count, sizeof count);
    product.live = static_cast<const int32_t*>(live_count.get());
  }
  if (with_gelu) product.gelu = gelus.view();
  if (with_gelu_input) product.gelu_input = input.view();
  std::ostringstream name;
  name << candidate.name << ", form " << form << ", " << m << " x " << n << " x " << k;
  check(candidate.supports(backend.device().properties(), product), (name.str() + " is supported").c_str(), __FILE__,
        __LINE__);

  candidate.run(backend, "test", product);
  const std::vector<unsigned char> once = c.now(), gelu_once = gelus.now();
  backend.upload(c.memory.get(), c.before.data(), c.before.size());
  candidate.run(backend, "test", product);
  check(c.now() == once && gelus.now() == gelu_once, (name.str() + " has the same bits twice").c_str(), __FILE__,
        __LINE__);

  // Halves of the units in the last place that C is rounded to, and the error of f32 sums.
  const auto rounding_to = [](DType type) {
    return type == DType::F32 ? 0x1p-24 : type == DType::F16 ? 0x1p-11 : 0x1p-8;
  };
  const double rounding = rounding_to(c_type), gelu_rounding = rounding_to(gelu_type);
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      if (i >= live_rows) {
        check(c.at(once, i, j) == c.at(i, j), (name.str() + " leaves rows that are not live").c_str(), __FILE__,
              __LINE__);
        continue;
      }
      double sum = 0, largest = 0;
      for (int64_t l = 0; l < steps; ++l) {
        const double x = (a_along ? a.at(l, i) : a.at(i, l)) * (b_along ? b.at(l, j) : b.at(j, l));
        sum += x, largest += std::abs(x);
      }
      double expected = sum + (bias ? biases.at(0, j) : 0) + (add ? c.at(i, j) : 0);
      double tolerance = rounding * std::abs(expected) * 1.01 + 1e-6 * largest;
      if (with_gelu_input) {
        const double slope = gelu_derivative(input.at(i, j));
        expected *= slope;
        tolerance = tolerance * std::abs(slope) + (rounding + 1e-3 * rounding) * std::abs(expected) + 1e-5;
      }
      const double actual = c.at(once, i, j), gelu_actual = gelus.at(gelu_once, i, j), gelu_expected = gelu(actual);
      const bool close = std::abs(actual - expected) <= tolerance;
      if (close &&
          (!with_gelu || std::abs(gelu_actual - gelu_expected) <= gelu_rounding * std::abs(gelu_expected) + 1e-5))
        continue;
      std::ostringstream text;
      text << name.str() << ": C[" << i << ", " << j << "] is " << actual << ", not " << expected;
      if (close) text << "; GELU is " << gelu_actual << ", not " << gelu_expected;
      throw Failed(text.str());
    }
    for (int64_t j = n; j < n + gap; ++j)
      check(std::isnan(c.at(once, i, j)) && std::isnan(gelus.at(gelu_once, i, j)),
            (name.str() + " writes nothing between rows").c_str(), __FILE__, __LINE__);
  }
}

}  // namespace whisper::test
