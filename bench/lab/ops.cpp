// Times of the CPU back end's products and attention: milliseconds and GFLOP/s beside the core's measured FMA peak.
//
//     g++ -std=c++20 -O3 -Inative -o build/lab-ops bench/lab/ops.cpp native/{audio,cpu,cpu/isa}/*.cpp -pthread
//     WHISPER_TUNE_THREADS=1 build/lab-ops [linear|few|attention|dropout|classifier [f32|f16|bf16]]
//
// With one thread the clock is the process's CPU time, which other programs on the machine hardly disturb; with more
// it is the wall's. Medians over half a second, random data. WHISPER_TUNE_ISA chooses the instruction set.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

using whisper::Dropout;
using whisper::DType;
using whisper::Shape;
using whisper::Tensor;
using whisper::View;

namespace {

whisper::CpuBackend backend;
DType type = DType::F32;  // how the operands are stored that may be of 16 bits

double seconds() {
  if (whisper::cpu::threads() == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Tensor random(Shape shape) {
  static std::minstd_rand generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(shape.size());
  for (float& x : values) x = uniform(generator);
  return backend.from_host(values.data(), shape);
}

// The same, stored in the compute dtype.
Tensor stored(Shape shape) {
  const Tensor wide = random(shape), x = backend.empty(shape, type);
  backend.cast(x, wide);
  return x;
}

template <class Body>
void measure(const std::string& name, double flops, Body body) {
  body();
  double start = seconds();
  for (int i = 0; i < 8; ++i) body();
  const int repeat =
      1 + static_cast<int>(2e-3 * 8 / (seconds() - start + 1e-7));  // reading the clock takes a microsecond
  std::vector<double> times;
  const double end = seconds() + 0.5;
  do {
    start = seconds();
    for (int i = 0; i < repeat; ++i) body();
    times.push_back((seconds() - start) / repeat);
  } while (seconds() < end || times.size() < 5);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  const double median = times[times.size() / 2];
  std::printf("%-44s %9.3f ms %8.1f GF/s\n", name.c_str(), median * 1e3, flops / median * 1e-9);
  std::fflush(stdout);
}

// The roof: a product whose panels never leave L1, by the table in use.
void peak() {
  const whisper::cpu::GemmKernels& gemm = whisper::cpu::best_kernels().products(type);
  const int64_t depth = 128, m = gemm.tile_rows, n = gemm.tile_columns;
  const Tensor a = random({depth, m}), b = random({depth, n}), c = random({m, n});
  const whisper::cpu::Multiplying products(gemm);
  std::vector<float*> rows;
  for (int64_t i = 0; i < m; ++i) rows.push_back(static_cast<float*>(c.address) + i * n);
  measure("register tile in L1", 2.0 * depth * m * n, [&] {
    gemm.multiply({m, n, depth, a.address, b.address, n, 0, rows.data()});
  });
}

void linear(int64_t m, int64_t n, int64_t k) {
  const Tensor x = stored({1, m, k}), w = stored({n, k}), b = random({n}), y = stored({1, m, n});
  const Tensor dx = stored({1, m, k}), dw = random({n, k}), db = random({n});
  const std::string size = std::to_string(m) + " x " + std::to_string(n) + " x " + std::to_string(k);
  const double flops = 2.0 * m * n * k;
  measure("linear " + size, flops, [&] { backend.linear(y, x, w, b); });
  if (m <= 16) return;
  measure("  dx", flops, [&] { backend.linear_backward(dx, View(), View(), y, x, w, false); });
  measure("  dweight", flops, [&] { backend.linear_backward(View(), dw, View(), y, x, w, false); });
  measure("  dbias", 1.0 * m * n, [&] { backend.linear_backward(View(), View(), db, y, x, w, false); });
}

void attention(int64_t batch, int64_t time, int64_t source, int heads, int64_t width, bool causal,
               Dropout dropout = {}) {
  const Shape queries{batch, time, heads * width}, keys{batch, source, heads * width};
  const Tensor q = stored(queries), k = stored(keys), v = stored(keys), o = stored(queries), d_o = stored(queries);
  const Tensor dq = stored(queries), dk = stored(keys), dv = stored(keys), lse = random({batch, heads, time});
  const double flops = (causal ? 2.0 : 4.0) * batch * heads * time * source * width;
  measure("attention " + std::to_string(batch) + " x " + std::to_string(heads) + " heads, " + std::to_string(time) +
              " x " + std::to_string(source) + " x " + std::to_string(width) + (causal ? " causal" : ""),
          flops, [&] { backend.attention(o, lse, q, k, v, heads, causal, dropout); });
  if (time > 1)
    measure("  backward", 2.5 * flops,
            [&] { backend.attention_backward(dq, dk, dv, d_o, q, k, v, o, lse, heads, causal, dropout); });
}

void classifier(int64_t rows, int64_t vocab, int64_t width) {
  const Tensor x = stored({1, rows, width}), w = stored({vocab, width}), dx = stored({1, rows, width});
  const Tensor dw = random({vocab, width}), loss = random({rows});
  std::vector<int32_t> classes(rows);
  for (int64_t r = 0; r < rows; ++r) classes[r] = static_cast<int32_t>(r * 7919 % vocab);
  const Tensor labels = backend.from_host(classes.data(), {rows}, DType::I32);
  measure("classifier " + std::to_string(rows) + " x " + std::to_string(vocab) + " x " + std::to_string(width),
          6.0 * rows * vocab * width, [&] { backend.classifier(loss, dx, dw, x, labels, w, 0.1f, 0.0f); });
}

}  // namespace

int main(int argc, char** argv) {
  const auto wanted = [&](const char* what) { return argc < 2 || !std::strcmp(argv[1], what); };
  if (argc > 2) type = !std::strcmp(argv[2], "f16") ? DType::F16 : !std::strcmp(argv[2], "bf16") ? DType::BF16 : type;
  std::printf("%s, %s\n", backend.name().c_str(), whisper::name_of(type));
  peak();
  if (wanted("linear")) {
    linear(1500, 384, 384);
    linear(1500, 1536, 384);
    linear(1500, 384, 1536);
    linear(6000, 1536, 384);
    linear(6000, 384, 1536);
    linear(4800, 256, 64);
    linear(4800, 64, 256);
    linear(300, 64, 64);
  }
  if (wanted("few"))
    for (const int64_t m : {1, 4, 16}) {
      linear(m, 1536, 384);
      linear(m, 51865, 384);
    }
  if (wanted("attention")) {
    attention(1, 1500, 1500, 6, 64, false);
    attention(8, 448, 448, 6, 64, true);
    attention(4, 60, 1500, 6, 64, false);
    attention(4, 1, 1500, 6, 64, false);
    attention(32, 150, 150, 1, 64, false);
    attention(32, 30, 30, 1, 64, true);
  }
  if (wanted("dropout")) {
    const Dropout dropout{.rate = 0.1f, .key = 1, .stream = 2};
    attention(1, 1500, 1500, 6, 64, false, dropout);
    attention(8, 448, 448, 6, 64, true, dropout);
    attention(4, 60, 1500, 6, 64, false, dropout);
  }
  if (wanted("classifier")) {
    classifier(448, 51865, 384);
    classifier(900, 600, 64);
  }
}
