// Products on the emulated GPU against sums in double: every form, dtype, tile, spacing of rows and epilogue.
#include "cuda/gemm.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "agree.h"
#include "cuda/cuda_backend.h"
#include "cuda/division.h"
#include "cuda/epilogue.h"
#include "emulator.h"

namespace whisper::test {
namespace {

using cuda::Factor;
using cuda::Product;
using cuda::Rows;

constexpr DType floats[] = {DType::F32, DType::F16, DType::BF16};
constexpr float poison = std::numeric_limits<float>::quiet_NaN();

// A matrix in device memory, and its elements as the device has them.
struct Matrix {
  Tensor memory;
  Rows rows;
  int64_t width = 0;
  std::vector<float> host;

  float at(int64_t row, int64_t column) const {
    return host[static_cast<size_t>(row / rows.period * rows.batch_stride + row % rows.period * rows.stride + column)];
  }
};

std::vector<float> values(Backend& backend, const Tensor& t) {
  std::vector<float> host(static_cast<size_t>(t.shape.size()));
  Tensor wide = t;
  if (t.dtype != DType::F32) backend.cast(wide = backend.empty(t.shape), t);
  backend.download(host.data(), wide.address, host.size() * sizeof(float));
  backend.synchronize();
  return host;
}

struct Forms {
  Factor::Direction a, b;
};
constexpr Forms forms[] = {
    {Factor::Across, Factor::Across}, {Factor::Across, Factor::Along}, {Factor::Along, Factor::Along}};

// What a case has beside its sizes.
struct Options {
  int64_t gap = 0;  // elements between rows
  bool bias = false, add = false, gelu = false, gelu_input = false;
  DType c = DType::F32, gelu_type = DType::F32;
  int64_t live = -1;
};

class Case {
 public:
  Case(Forms form, DType type, int64_t m, int64_t n, int64_t k, Options options)
      : backend_(open_backend("cuda-emulator")),
        make_(*backend_),
        form_(form),
        type_(type),
        m_(m),
        n_(n),
        k_(k),
        options_(options) {}

  void run() {
    const int64_t gap = options_.gap, live = options_.live;
    const bool a_across = form_.a == Factor::Across, b_across = form_.b == Factor::Across;
    Matrix a = a_across ? matrix(m_, k_, type_, gap) : matrix(k_, m_, type_, gap);
    Matrix b = b_across ? matrix(n_, k_, type_, gap) : matrix(k_, n_, type_, gap);
    Matrix c = matrix(m_, n_, options_.c, gap);
    Matrix gelu = options_.gelu ? matrix(m_, n_, options_.gelu_type, 0) : Matrix();
    Matrix gelu_input = options_.gelu_input ? matrix(m_, n_, type_, gap) : Matrix();
    Matrix bias = matrix(1, n_, DType::F32, 0);
    Tensor live_rows;
    if (live >= 0) {
      const auto count = static_cast<int32_t>(live);
      live_rows = backend_->from_host(&count, {1}, DType::I32);
      poison_from(a, live);
      if (!a_across) poison_from(b, live);
    }
    cuda::gemm(static_cast<CudaBackend&>(*backend_), "test",
               {.m = m_,
                .n = n_,
                .k = k_,
                .a = {a.rows, form_.a},
                .b = {b.rows, form_.b},
                .c = c.rows,
                .bias = options_.bias ? static_cast<const float*>(bias.memory.address) : nullptr,
                .add = options_.add,
                .gelu = gelu.rows,
                .gelu_input = gelu_input.rows,
                .live = static_cast<const int32_t*>(live_rows.address)});

    Matrix result = c, activated = gelu;
    result.host = values(*backend_, c.memory);
    if (options_.gelu) activated.host = values(*backend_, gelu.memory);
    const int64_t k = live >= 0 && !a_across ? std::min(live, k_) : k_;
    for (int64_t i = 0; i < m_; ++i)
      for (int64_t j = 0; j < n_; ++j) {
        if (live >= 0 && a_across && i >= live) {
          equal(result.at(i, j), c.at(i, j), "a row that is not live");
          continue;
        }
        double sum = options_.bias ? bias.at(0, j) : 0, size = std::abs(sum);
        for (int64_t s = 0; s < k; ++s) {
          const double product = double{a_across ? a.at(i, s) : a.at(s, i)} * (b_across ? b.at(j, s) : b.at(s, j));
          sum += product, size += std::abs(product);
        }
        if (options_.add) sum += c.at(i, j), size += std::abs(c.at(i, j));
        if (options_.gelu_input) {
          const double x = gelu_input.at(i, j);
          const double slope = (1 + std::erf(x / std::sqrt(2.0))) / 2 + x * std::exp(-x * x / 2) / std::sqrt(2 * M_PI);
          sum *= slope, size *= 1 + std::abs(slope);
        }
        near(result.at(i, j), sum, 1e-6 * size + 2 * rounding(options_.c) * std::abs(sum), i, j);
        if (!options_.gelu) continue;
        const double x = result.at(i, j), y = x * (1 + std::erf(x / std::sqrt(2.0))) / 2;
        near(activated.at(i, j), y, (1e-6 + rounding(options_.gelu_type)) * (std::abs(x) + 1e-3), i, j);
      }
    for (int64_t i = 0; i + 1 < m_; ++i)
      for (int64_t g = 0; g < gap; ++g) equal(result.at(i, n_ + g), c.at(i, n_ + g), "what lies between rows");
  }

 private:
  Matrix matrix(int64_t rows, int64_t width, DType type, int64_t gap) {
    Matrix matrix{make_.normal({rows, width + gap}, type), {}, width, {}};
    matrix.rows = Rows(matrix.memory.address, type, width + gap);
    matrix.host = values(*backend_, matrix.memory);
    return matrix;
  }
  void poison_from(Matrix& matrix, int64_t row) {
    const auto begin = static_cast<size_t>(row * matrix.rows.stride);
    std::fill(matrix.host.begin() + static_cast<std::ptrdiff_t>(std::min(begin, matrix.host.size())), matrix.host.end(),
              poison);
    const Tensor poisoned = make_.of(matrix.host, matrix.memory.shape, matrix.memory.dtype);
    backend_->copy(matrix.memory.address, poisoned.address, matrix.host.size() * size_of(matrix.memory.dtype));
  }
  static double rounding(DType type) { return type == DType::F32 ? 6e-8 : type == DType::F16 ? 0x1p-11 : 0x1p-8; }
  std::string text() const {
    std::ostringstream text;
    text << name_of(type_) << (form_.a == Factor::Across ? " across" : " along")
         << (form_.b == Factor::Across ? " across " : " along ") << m_ << " x " << n_ << " x " << k_ << ": ";
    return text.str();
  }
  void near(double x, double expected, double budget, int64_t i, int64_t j) const {
    if (std::abs(x - expected) <= budget) return;
    std::ostringstream found;
    found << text() << "[" << i << ", " << j << "] is " << x << ", expected " << expected << " ± " << budget;
    throw Failed(found.str());
  }
  void equal(float x, float before, const char* what) const {
    if (x != before) throw Failed(text() + what + " was written");
  }

  std::shared_ptr<Backend> backend_;
  Operands make_;
  Forms form_;
  DType type_;
  int64_t m_, n_, k_;
  Options options_;
};

void multiply(Forms form, DType type, int64_t m, int64_t n, int64_t k, Options options = {}) {
  Case(form, type, m, n, k, options).run();
}

}  // namespace

TEST(cuda_gemm_forms) {
  for (const Forms form : forms)
    for (const DType type : floats) {
      multiply(form, type, 33, 1, 1);
      multiply(form, type, 37, 21, 13);
      multiply(form, type, 70, 66, 33, {.gap = 3});
      multiply(form, type, 72, 136, 40);
      multiply(form, type, 40, 64, 200, {.gap = 8});
    }
}

// Sizes for which the large tiles are chosen, and the middle ones. Nothing that lies aligned meets a bank twice.
TEST(cuda_gemm_tiles) {
  const uint64_t before = emulator::statistics.bank_conflicts;
  for (const Forms form : forms) {
    multiply(form, DType::F16, 104, 17096, 40);
    multiply(form, DType::BF16, 104, 12696, 24);
    multiply(form, DType::F32, 100, 8572, 12);
    multiply(form, DType::BF16, 72, 80, 200);
  }
  CHECK(emulator::statistics.bank_conflicts == before);
}

// Long sums of few tiles, which are made in slices.
TEST(cuda_gemm_slices) {
  constexpr cuda::TileKind kinds[] = {{64, 64, 60}};
  CHECK(cuda::divide(kinds, 40, 24, 5000, 2200).slices > 1);
  for (const Forms form : forms)
    for (const DType type : floats) {
      multiply(form, type, 40, 24, 5000);
      multiply(form, type, 37, 21, 5003, {.bias = true, .add = true, .gelu = true, .c = type, .gelu_type = type});
    }
}

TEST(cuda_gemm_few_rows) {
  for (const DType type : floats) {
    multiply(forms[0], type, 1, 40, 64);
    multiply(forms[0], type, 5, 17, 531);
    multiply(forms[0], type, 16, 33, 200, {.bias = true, .c = type});
    multiply(forms[0], type, 17, 48, 1000, {.gap = 8, .bias = true, .add = true});
    multiply(forms[0], type, 32, 24, 40, {.gelu = true, .c = type, .gelu_type = type});
    multiply(forms[0], type, 20, 24, 40, {.live = 9});
  }
}

TEST(cuda_gemm_epilogues) {
  for (const DType type : floats)
    for (const int64_t n : {40, 31}) {
      multiply(forms[0], type, 70, n, 40, {.bias = true, .gelu = true, .c = type, .gelu_type = type});
      multiply(forms[0], type, 70, n, 40, {.gelu = true, .c = type});
      multiply(forms[1], type, 70, n, 40, {.gap = 5, .gelu_input = true, .c = type});
      multiply(forms[1], type, 70, n, 40, {.gap = 4, .add = true, .c = type});
      multiply(forms[2], type, 70, n, 40, {.bias = true, .add = true});
    }
}

// Only the first rows of A are there, or steps of k: the rest is never read, and rows of C beyond are left as they are.
TEST(cuda_gemm_live) {
  for (const DType type : floats)
    for (const int64_t live : {0, 1, 67, 90, 200})
      for (const Forms form : forms) multiply(form, type, 90, 40, 200, {.add = true, .live = live});
  multiply(forms[2], DType::F16, 40, 24, 5000, {.live = 700});
  multiply(forms[1], DType::F16, 40, 24, 5000, {.live = 7});
}

// The windows of a convolution, whose rows overlap and jump at the ends of batch entries, read across and along.
TEST(cuda_gemm_windows) {
  for (const DType type : floats)
    for (const int64_t width : {8, 5}) {
      const std::shared_ptr<Backend> backend = open_backend("cuda-emulator");
      Operands make(*backend);
      constexpr int64_t batch = 3, time = 21, stride = 2, count = 10, n = 24;
      const int64_t k = 3 * width;
      const Tensor x = make.normal({batch, time, width}, type), weight = make.normal({n, k}, type);
      const Tensor windows = x.strided(0, {batch, count, k}, stride * width, time * width);
      const Tensor dy = make.normal({batch, count, n}, type);
      const Tensor y = backend->empty({batch, count, n}), dweight = backend->zeros({n, k});
      backend->linear(y, windows, weight, View());
      backend->linear_backward(View(), dweight, View(), dy, windows, weight, false);
      const std::vector<float> from = values(*backend, x), w = values(*backend, weight), d = values(*backend, dy);
      const std::vector<float> products = values(*backend, y), gradients = values(*backend, dweight);
      const auto window = [&](int64_t r, int64_t c) {
        return double{from[static_cast<size_t>((r / count * time + r % count * stride) * width + c)]};
      };
      const auto near = [](double a, double b) { CHECK(std::abs(a - b) < 1e-4); };
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t r = 0; r < batch * count; ++r) {
          double sum = 0;
          for (int64_t c = 0; c < k; ++c) sum += window(r, c) * w[static_cast<size_t>(j * k + c)];
          near(products[static_cast<size_t>(r * n + j)], sum);
        }
        for (int64_t c = 0; c < k; ++c) {
          double sum = 0;
          for (int64_t r = 0; r < batch * count; ++r) sum += window(r, c) * d[static_cast<size_t>(r * n + j)];
          near(gradients[static_cast<size_t>(j * k + c)], sum);
        }
      }
    }
}

// For products that know no GELU: it is taken of what they stored.
TEST(cuda_gemm_finish_stored) {
  for (const DType type : floats) {
    const std::shared_ptr<Backend> backend = open_backend("cuda-emulator");
    auto& cuda_backend = static_cast<CudaBackend&>(*backend);
    Operands make(*backend);
    const Tensor x = make.normal({70, 24}, type), weight = make.normal({33, 24}, type), bias = make.normal({33});
    const Tensor c = backend->empty({70, 33}, type), y = backend->empty({70, 33}, type);
    backend->linear(c, x, weight, bias);
    const Product product{.m = 70,
                          .n = 33,
                          .k = 24,
                          .a = {x, Factor::Across},
                          .b = {weight, Factor::Across},
                          .c = c,
                          .bias = static_cast<const float*>(bias.address),
                          .gelu = y};
    cuda::finish_stored(cuda_backend, "test", product);
    const Tensor h = backend->empty({70, 33}, type), expected = backend->empty({70, 33}, type);
    backend->linear_gelu(expected, h, x, weight, bias);
    CHECK(values(*backend, c) == values(*backend, h));
    CHECK(values(*backend, y) == values(*backend, expected));
  }
}

TEST(cuda_gemm_race) {
  for (const Forms form : forms) {
    multiply(form, DType::F16, 40, 24, 200);
    multiply(form, DType::F32, 40, 24, 100, {.bias = true});
  }
  multiply(forms[1], DType::BF16, 37, 21, 1100);
  multiply(forms[0], DType::F32, 5, 24, 200);
  multiply(forms[0], DType::F16, 20, 24, 200);
}

}  // namespace whisper::test
