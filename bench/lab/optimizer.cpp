// Steps of the CPU back end's optimizers over one matrix, for bench/optimizer.mjs: one step and one line of
// milliseconds for every name on stdin.
//
//     g++ -std=c++20 -O3 -ffp-contract=off -Inative -o build/lab-optimizer bench/lab/optimizer.cpp \
//         native/{audio,cpu,cpu/isa}/*.cpp -pthread
//     echo adamw_8bit | WHISPER_TUNE_THREADS=1 build/lab-optimizer ROWS WIDTH
//
// With one thread the clock is the process's CPU time, which other programs on the machine hardly disturb; with more it
// is the wall's.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

using namespace whisper;

namespace {

double seconds() {
  if (cpu::threads() == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return std::fprintf(stderr, "usage: lab-optimizer ROWS WIDTH\n"), 1;
  CpuBackend backend;
  const int64_t rows = std::atoll(argv[1]), width = std::atoll(argv[2]), n = rows * width, blocks = (n + 255) / 256;
  const Shape shape{rows, width};

  // Normal numbers: a table of them at random places, for n may be large.
  std::minstd_rand generator(1);
  std::normal_distribution<float> normal;
  std::vector<float> table(1 << 16), host(static_cast<size_t>(n));
  for (float& x : table) x = normal(generator);
  const auto random = [&](float deviation) {
    for (float& x : host) x = deviation * table[generator() % table.size()];
    return backend.from_host(host.data(), shape);
  };
  const Tensor value = random(0.05f), grad = random(1e-3f);
  const float one = 1;
  const Tensor scale = backend.from_host(&one, {1});

  const AdamwHyper adamw{.lr = 1e-5, .decay = 0.01, .t = 10};
  const AdafactorHyper adafactor{.lr = 1e-5, .t = 10};
  const Tensor m = backend.zeros(shape), v = backend.zeros(shape);
  const Tensor m_codes = backend.zeros(shape, DType::U8), v_codes = backend.zeros(shape, DType::U8);
  const Tensor m_absmax = backend.zeros({blocks}), v_absmax = backend.zeros({blocks});
  const Tensor row = backend.zeros({rows}), column = backend.zeros({width});
  const std::map<std::string, std::function<void()>> steps{
      {"adamw", [&] { backend.adamw(value, m, v, grad, scale, adamw); }},
      {"adamw_8bit",
       [&] { backend.adamw_8bit(value, m_codes, v_codes, m_absmax, v_absmax, grad, scale, adamw, false); }},
      {"adafactor", [&] { backend.adafactor(value, row, column, grad, scale, adafactor); }},
      {"sgd", [&] { backend.sgd(value, grad, scale, 1e-5, 0.01); }},
  };
  std::printf("whisper-tune, %s\n", backend.name().c_str());
  std::fflush(stdout);
  for (std::string name; std::getline(std::cin, name);) {
    const auto& step = steps.at(name);
    const double started = seconds();
    step();
    std::printf("%.4f\n", (seconds() - started) * 1e3);
    std::fflush(stdout);
  }
}
