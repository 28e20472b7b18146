// Resampling by a polyphase FIR filter: a sinc under a Kaiser window, sampled at every phase that occurs.
//
// Output m lies at input time m·from/to = whole + fraction, and is the sum over taps j of
// x[whole - before + j]·h(fraction + before - j). With from/to in lowest terms there are `to` different fractions, so
// their rows of taps are made once. Where that would be too many (44 100 Hz to 16 000 has 160, but 44 101 has 16 000),
// rows of a coarse grid are made instead, and an output is interpolated between the four nearest of them.
#include "audio/resample.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <numbers>
#include <numeric>
#include <utility>
#include <vector>

#include "core/error.h"

namespace whisper {
namespace {

// Kaiser's design rules (Oppenheim & Schafer, Discrete-Time Signal Processing, section 7.6).
constexpr double attenuation = 100;  // dB
constexpr double beta = 0.1102 * (attenuation - 8.7);
constexpr double pass = 0.9;  // of the highest frequency both rates can hold; stops at 1
constexpr double taps_per_sample = (attenuation - 7.95) / (2.285 * (1 - pass) * std::numbers::pi) + 1;

constexpr int64_t largest_table = 1 << 18;  // floats
constexpr int grid = 64;                    // phases per sample when interpolating: four-point errors below -120 dB

// The modified Bessel function I0, by its power series.
double bessel(double x) {
  double sum = 1, term = 1;
  for (int k = 1; term > sum * 1e-17; ++k) {
    term *= (x / (2 * k)) * (x / (2 * k));
    sum += term;
  }
  return sum;
}

struct Filter {
  Filter(int64_t from, int64_t to);

  int64_t from, to;  // in lowest terms
  int64_t before;    // samples before `whole` that an output sees
  int64_t width;     // taps per row, a multiple of 8
  bool exact;        // a row per fraction; otherwise rows for -1/phases, 0, … 1 + 1/phases
  int64_t phases;    // that divide the way from a sample to the next
  std::vector<float> taps;
};

Filter::Filter(int64_t from, int64_t to) : from(from), to(to) {
  const double stretch = std::max(1.0, static_cast<double>(from) / to);  // to remove what `to` cannot hold
  const double radius = taps_per_sample * stretch / 2, cutoff = (1 + pass) / 2 / stretch;
  before = static_cast<int64_t>(std::ceil(radius));
  width = (2 * before + 2 + 7) / 8 * 8;
  exact = to * width <= largest_table;
  phases = exact ? to : static_cast<int64_t>(std::ceil(grid / stretch));

  const int64_t first = exact ? 0 : -1, rows = exact ? to : phases + 3;
  taps.resize(rows * width);
  std::vector<double> row(width);
  const double scale = 1 / bessel(beta);
  for (int64_t r = 0; r < rows; ++r) {
    const double fraction = static_cast<double>(r + first) / phases;
    double sum = 0;
    for (int64_t j = 0; j < width; ++j) {
      const double t = fraction + static_cast<double>(before - j), u = t / radius, a = std::numbers::pi * cutoff * t;
      row[j] = std::abs(u) >= 1 ? 0 : (t == 0 ? 1 : std::sin(a) / a) * scale * bessel(beta * std::sqrt(1 - u * u));
      sum += row[j];
    }
    // Every row adds up to one, so that a constant gets no ripple from the rows' taking turns.
    for (int64_t j = 0; j < width; ++j) taps[r * width + j] = static_cast<float>(row[j] / sum);
  }
}

// Filters are kept: a data set has few rates. Should one have many, the collection starts anew.
std::shared_ptr<const Filter> filter_for(int64_t from, int64_t to) {
  constexpr size_t most = 16;
  static std::mutex mutex;
  static std::map<std::pair<int64_t, int64_t>, std::shared_ptr<const Filter>> made;
  const std::lock_guard lock(mutex);
  if (const auto found = made.find({from, to}); found != made.end()) return found->second;
  if (made.size() == most) made.clear();
  return made[{from, to}] = std::make_shared<const Filter>(from, to);
}

// Eight sums of every eighth product each, on vectors of whatever width: the same sums on every machine.
typedef float Lanes __attribute__((vector_size(32)));
inline constexpr int64_t lanes = 8;

// to[i] = a·b[i] of n numbers, a multiple of eight. Four at once share what is read of a.
[[gnu::always_inline]] inline void dot4(const float* a, const float* const* b, int64_t n, float* to) {
  Lanes sums[4]{};
  for (int64_t j = 0; j < n; j += lanes) {
    Lanes x, y;
    std::memcpy(&x, a + j, sizeof x);
    for (int i = 0; i < 4; ++i) {
      std::memcpy(&y, b[i] + j, sizeof y);
      sums[i] += x * y;
    }
  }
  for (int i = 0; i < 4; ++i) {
    const Lanes& s = sums[i];
    to[i] = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
  }
}

// Four outputs of the same phase at a time, which are `to` apart, share their row. x[0] is the first input.
[[gnu::always_inline]] inline void exactly(const Filter& f, const float* x, float* y, int64_t count) {
  for (int64_t start = 0; start < count; start += 4 * f.to) {
    const int64_t end = start + f.to < count ? start + f.to : count;
    for (int64_t m = start; m < end; ++m) {
      const int64_t at = m * f.from, left = (count - m + f.to - 1) / f.to, present = left < 4 ? left : 4;
      const float* windows[4];
      for (int64_t i = 0; i < 4; ++i) windows[i] = x + at / f.to - f.before + (i < present ? i * f.from : 0);
      float sums[4];
      dot4(&f.taps[at % f.to * f.width], windows, f.width, sums);
      for (int64_t i = 0; i < present; ++i) y[m + i * f.to] = sums[i];
    }
  }
}

// Lagrange interpolation between the four rows around the phase.
[[gnu::always_inline]] inline void interpolated(const Filter& f, const float* x, float* y, int64_t count) {
  for (int64_t m = 0; m < count; ++m) {
    const int64_t at = m * f.from;
    const double phase = static_cast<double>(at % f.to) / f.to * f.phases;
    const auto nearest = static_cast<int64_t>(phase);
    const auto t = static_cast<float>(phase - nearest);
    const float* rows[4];
    for (int64_t i = 0; i < 4; ++i) rows[i] = &f.taps[(nearest + i) * f.width];
    float s[4];
    dot4(x + at / f.to - f.before, rows, f.width, s);
    const float below = t * (t - 1) / 6, above = (t + 1) * (t - 2) / 2;
    y[m] = below * ((t + 1) * s[3] - (t - 2) * s[0]) + above * ((t - 1) * s[1] - t * s[2]);
  }
}

// The two of them, compiled for the baseline and for AVX2, where eight lanes are one register.
using Run = void (*)(const Filter&, const float*, float*, int64_t);
void run_exact(const Filter& f, const float* x, float* y, int64_t count) { exactly(f, x, y, count); }
void run_interpolated(const Filter& f, const float* x, float* y, int64_t count) { interpolated(f, x, y, count); }

#if defined(__x86_64__)
[[gnu::target("avx2")]] void run_exact_avx2(const Filter& f, const float* x, float* y, int64_t count) {
  exactly(f, x, y, count);
}
[[gnu::target("avx2")]] void run_interpolated_avx2(const Filter& f, const float* x, float* y, int64_t count) {
  interpolated(f, x, y, count);
}
#endif

Run run_of(const Filter& f, Instructions instructions) {
#if defined(__x86_64__)
  if (instructions == Instructions::best && __builtin_cpu_supports("avx2"))
    return f.exact ? run_exact_avx2 : run_interpolated_avx2;
#endif
  return f.exact ? run_exact : run_interpolated;
}

void check_rate(int rate) {
  if (rate < lowest_rate || rate > highest_rate)
    fail(Code::InvalidArgument, "a sample rate must be from ", lowest_rate, " to ", highest_rate, " Hz, not ", rate);
}

// to[i] = mean of the channels at first + i; silence beyond their n samples.
void mean_of(const Channels& c, int64_t first, int64_t count, float* to) {
  const int64_t begin = std::clamp<int64_t>(-first, 0, count),
                end = std::clamp<int64_t>(c.samples - first, begin, count);
  std::fill(to, to + begin, 0.0f);
  std::copy(c.channels[0] + first + begin, c.channels[0] + first + end, to + begin);
  for (size_t k = 1; k < c.count; ++k) {
    for (int64_t i = begin; i < end; ++i) to[i] += c.channels[k][first + i];
  }
  if (c.count > 1) {
    for (int64_t i = begin; i < end; ++i) to[i] /= static_cast<float>(c.count);
  }
  std::fill(to + end, to + count, 0.0f);
}

}  // namespace

int64_t resampled_length(int64_t samples, int from, int to) {
  check_rate(from);
  check_rate(to);
  const int divisor = std::gcd(from, to);
  return (samples * (to / divisor) + from / divisor - 1) / (from / divisor);
}

void resample(const Channels& channels, int from, int to, float* out, Instructions instructions) {
  if (channels.count == 0) fail(Code::InvalidArgument, "audio must have at least one channel");
  const int64_t count = resampled_length(channels.samples, from, to);
  if (from == to) return mean_of(channels, 0, count, out);
  const int divisor = std::gcd(from, to);
  const auto filter = filter_for(from / divisor, to / divisor);
  const Run run = run_of(*filter, instructions);

  // In pieces that begin at a sample of the input and whose input stays in the cache.
  const int64_t piece = std::max<int64_t>(1, 4096 / (4 * filter->to)) * 4 * filter->to;
  const auto reach = [&](int64_t outputs) { return (outputs - 1) * filter->from / filter->to + filter->width; };
  std::vector<float> input(reach(std::min(piece, count)));
  for (int64_t start = 0; start < count; start += piece) {
    const int64_t outputs = std::min(piece, count - start), at = start / filter->to * filter->from;
    mean_of(channels, at - filter->before, reach(outputs), input.data());
    run(*filter, input.data() + filter->before, out + start, outputs);
  }
}

}  // namespace whisper
