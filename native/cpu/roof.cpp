// The machine's roof, measured: chains of multiply-adds in registers, on one thread and on all of them at once.
#include "cpu/roof.h"

#include <time.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

#include "core/half.h"
#include "cpu/kernels.h"
#include "cpu/thread_pool.h"

namespace whisper::cpu {
namespace {

constexpr double slice = 5e-3;  // seconds
constexpr int slices = 10;

// Of this thread, so that what other programs take does not count.
double cpu_seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Random factors, as the power that arithmetic takes, and with it the clock, depends on the bits.
std::vector<float> random_numbers(int64_t n) {
  std::minstd_rand generator(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> numbers(static_cast<size_t>(n));
  for (float& x : numbers) x = uniform(generator);
  return numbers;
}

// FLOP/s of one call on this thread.
double rate_here(const GemmKernels& gemm, const void* factors, int64_t rounds) {
  const Multiplying on_this_thread(gemm);
  std::vector<float> sums(static_cast<size_t>(gemm.roof->sums));
  const double started = cpu_seconds();
  gemm.roof->run(sums.data(), factors, rounds);
  return static_cast<double>(gemm.roof->flops * rounds) / (cpu_seconds() - started);
}

Roof roof_of(const GemmKernels& gemm, const void* factors) {
  const int64_t first = 10000;
  const auto flops = static_cast<double>(gemm.roof->flops);
  const auto rounds = std::max(first, static_cast<int64_t>(rate_here(gemm, factors, first) * slice / flops));
  // What the workers reach side by side, in the best of the slices.
  const auto rate = [&](int64_t workers) {
    std::vector<double> rates(static_cast<size_t>(workers));
    double best = 0;
    for (int i = 0; i < slices; ++i) {
      parallel_for(workers, 1, [&](int64_t worker, int64_t) {
        rates[static_cast<size_t>(worker)] = rate_here(gemm, factors, rounds);
      });
      best = std::max(best, std::accumulate(rates.begin(), rates.end(), 0.0));
    }
    return best;
  };
  return {.one_thread = rate(1), .all_threads = rate(threads())};
}

}  // namespace

std::map<std::string, Roof> roofs() {
  const Kernels& kernels = best_kernels();
  std::map<std::string, Roof> roofs;
  roofs["f32"] = roof_of(kernels.gemm, random_numbers(kernels.gemm.roof->factors).data());
  const GemmKernels& bf16 = kernels.products(DType::BF16);
  if (&bf16 != &kernels.gemm && bf16.roof) {
    std::vector<uint16_t> factors;
    for (const float x : random_numbers(bf16.roof->factors)) factors.push_back(to_bf16(x));
    roofs["bf16"] = roof_of(bf16, factors.data());
  }
  return roofs;
}

}  // namespace whisper::cpu
