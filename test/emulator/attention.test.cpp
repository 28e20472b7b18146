// Attention on the emulated GPU: the flash kernels (heads of 64 in 16 bits), few queries, and every other width.
#include "agree.h"
#include "emulator.h"

namespace whisper::test {
namespace {

struct Case {
  int64_t batch, time, source, heads, width;
  bool causal = false;
  float rate = 0;
};

constexpr DType types[] = {DType::F32, DType::F16, DType::BF16};
constexpr DType halves[] = {DType::F16, DType::BF16};

// Of the largest element: results are rounded to 16 bits by both devices, and so are probabilities on the way.
double tolerance(DType type) { return type == DType::F32 ? 1e-5 : type == DType::F16 ? 2e-3 : 1.6e-2; }

std::string named(const char* what, const Case& c, DType type) {
  std::ostringstream text;
  text << what << ' ' << name_of(type) << ' ' << c.time << 'x' << c.source << (c.causal ? " causal" : "");
  return text.str();
}

Dropout dropout_of(const Case& c) { return {c.rate, 12345, 678}; }

// Queries, keys and values side by side in rows that are wider by `gap`, as operands with spaced rows.
struct Inputs {
  Tensor q, k, v, d_o;

  Inputs(Operands& make, const Case& c, DType type, int64_t gap)
      : q(rows(make, c, c.time, type, gap)),
        k(rows(make, c, c.source, type, gap)),
        v(rows(make, c, c.source, type, gap)),
        d_o(rows(make, c, c.time, type, gap)) {}

 private:
  static Tensor rows(Operands& make, const Case& c, int64_t count, DType type, int64_t gap) {
    const int64_t width = c.heads * c.width, row = width + gap;
    return make.normal({c.batch, count, row}, type).strided(gap, {c.batch, count, width}, row, count * row);
  }
};

void forward(const Case& c, DType type, int64_t gap = 0) {
  agree(named("attention", c, type), tolerance(type), [&](Operands& make) {
    const Inputs x(make, c, type, gap);
    const Tensor o = make.filled({c.batch, c.time, c.heads * c.width}, NAN, type);
    const Tensor lse = make.filled({c.batch, c.heads, c.time}, NAN);
    make.backend().attention(o, lse, x.q, x.k, x.v, static_cast<int>(c.heads), c.causal, dropout_of(c));
    return std::vector{o, lse};
  });
}

void backward(const Case& c, DType type, int64_t gap = 0) {
  agree(named("attention_backward", c, type), tolerance(type), [&](Operands& make) {
    const Inputs x(make, c, type, gap);
    const Tensor o = make.filled({c.batch, c.time, c.heads * c.width}, NAN, type);
    const Tensor lse = make.filled({c.batch, c.heads, c.time}, NAN);
    Backend& backend = make.backend();
    const int heads = static_cast<int>(c.heads);
    backend.attention(o, lse, x.q, x.k, x.v, heads, c.causal, dropout_of(c));
    std::vector<Tensor> gradients;
    for (const int64_t rows : {c.time, c.source, c.source})
      gradients.push_back(make.filled({c.batch, rows, c.heads * c.width}, NAN, type));
    backend.attention_backward(gradients[0], gradients[1], gradients[2], x.d_o, x.q, x.k, x.v, o, lse, heads, c.causal,
                               dropout_of(c));
    return gradients;
  });
}

}  // namespace

// Both sides of every tile: 64 keys, 128 queries forward, 64 queries beside 64 keys backward.
TEST(cuda_attention_flash) {
  const Case cases[] = {{1, 5, 2, 1, 64},           {1, 7, 13, 2, 64},         {2, 63, 64, 1, 64},
                        {1, 65, 63, 1, 64},         {1, 128, 65, 1, 64},       {1, 100, 150, 2, 64},
                        {1, 130, 130, 1, 64, true}, {1, 71, 199, 1, 64, true}, {1, 129, 131, 1, 64, true}};
  for (const DType type : halves)
    for (const Case& c : cases) forward(c, type), backward(c, type);
}

TEST(cuda_attention_flash_long) {
  forward({1, 448, 1500, 1, 64}, DType::F16);
  backward({1, 448, 448, 1, 64, true}, DType::BF16);
}

TEST(cuda_attention_flash_dropout) {
  const Case cases[] = {{2, 33, 67, 2, 64, false, 0.3f}, {1, 97, 131, 1, 64, true, 0.1f}};
  for (const DType type : halves)
    for (const Case& c : cases) forward(c, type), backward(c, type);
}

// Rows that begin on 16 bytes, as parts of packed rows do, and rows that do not.
TEST(cuda_attention_spaced) {
  for (const int64_t gap : {8, 3})
    for (const DType type : types) {
      forward({2, 6, 9, 2, 64}, type, gap), backward({2, 6, 9, 2, 64}, type, gap);
      forward({2, 2, 9, 2, 64}, type, gap);
    }
  backward({2, 6, 9, 2, 20}, DType::F32, 3);
}

// Parts of 256 keys: one of them, some of which the first queries see nothing, and no more than one key.
TEST(cuda_attention_few) {
  const Case cases[] = {{1, 1, 1, 1, 64},         {2, 1, 37, 3, 64},   {1, 4, 256, 2, 64},      {1, 3, 257, 2, 64},
                        {2, 4, 515, 1, 64, true}, {1, 1, 1500, 2, 64}, {1, 2, 513, 1, 64, true}};
  for (const DType type : types)
    for (const Case& c : cases) forward(c, type);
}

TEST(cuda_attention_plain) {
  const Case cases[] = {{1, 1, 1, 1, 1},
                        {2, 3, 5, 2, 8},
                        {1, 65, 63, 2, 12},
                        {1, 70, 131, 1, 7, true},
                        {1, 9, 66, 1, 130},
                        {1, 17, 40, 2, 66, true},
                        {1, 67, 130, 1, 16, true, 0.3f}};
  for (const DType type : types)
    for (const Case& c : cases) forward(c, type), backward(c, type);
  for (const Case& c : {Case{1, 5, 3, 1, 64}, Case{1, 66, 129, 2, 64, true}, Case{1, 33, 70, 1, 64, false, 0.5f}})
    forward(c, DType::F32), backward(c, DType::F32);
}

// A step of a batch without a query has gradients of zero.
TEST(cuda_attention_no_queries) {
  for (const auto& [type, width] : {std::pair{DType::F16, int64_t{64}}, std::pair{DType::F32, int64_t{12}}})
    backward({1, 0, 5, 1, width}, type);
}

TEST(cuda_attention_bank_conflicts) {
  const uint64_t before = emulator::statistics.bank_conflicts, reads = emulator::statistics.ldmatrix;
  backward({1, 130, 70, 1, 64}, DType::F16);
  CHECK(emulator::statistics.ldmatrix > reads);
  CHECK(emulator::statistics.bank_conflicts == before);
}

TEST(cuda_attention_flash_race) {
  backward({1, 70, 130, 1, 64, false}, DType::F16);
  backward({1, 66, 66, 1, 64, true, 0.2f}, DType::BF16);
}

TEST(cuda_attention_few_race) { forward({1, 3, 300, 1, 64, true}, DType::F16); }

TEST(cuda_attention_plain_race) {
  backward({1, 66, 67, 1, 64}, DType::F32);
  backward({1, 5, 67, 1, 6, false, 0.2f}, DType::F32);
}

}  // namespace whisper::test
