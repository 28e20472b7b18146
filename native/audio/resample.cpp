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
  const float* row(int64_t phase) const { return &taps[phase * width]; }

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

// Four lanes are what every machine has, so that the sums are the same everywhere.
typedef float Lanes __attribute__((vector_size(16)));

inline Lanes load(const float* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline float sum(Lanes v) { return (v[0] + v[2]) + (v[1] + v[3]); }

// to[i] = a·b[i] of n numbers, a multiple of eight. Eight sums at once hide the latency of additions.
inline void dot4(const float* a, const float* const* b, int64_t n, float* to) {
  Lanes even[4]{}, odd[4]{};
  for (int64_t j = 0; j < n; j += 8) {
    const Lanes x = load(a + j), y = load(a + j + 4);
    for (int i = 0; i < 4; ++i) {
      even[i] += x * load(b[i] + j);
      odd[i] += y * load(b[i] + j + 4);
    }
  }
  for (int i = 0; i < 4; ++i) to[i] = sum(even[i] + odd[i]);
}

// Four outputs of the same phase at a time, which are `to` apart, share their row. x[0] is the first input.
void run_exact(const Filter& f, const float* x, float* y, int64_t count) {
  for (int64_t start = 0; start < count; start += 4 * f.to) {
    for (int64_t m = start; m < std::min(start + f.to, count); ++m) {
      const int64_t at = m * f.from, present = std::min<int64_t>(4, (count - m + f.to - 1) / f.to);
      const float* windows[4];
      for (int64_t i = 0; i < 4; ++i) windows[i] = x + at / f.to - f.before + (i < present ? i * f.from : 0);
      float sums[4];
      dot4(f.row(at % f.to), windows, f.width, sums);
      for (int64_t i = 0; i < present; ++i) y[m + i * f.to] = sums[i];
    }
  }
}

// Lagrange interpolation between the four rows around the phase.
void run_interpolated(const Filter& f, const float* x, float* y, int64_t count) {
  for (int64_t m = 0; m < count; ++m) {
    const int64_t at = m * f.from;
    const double phase = static_cast<double>(at % f.to) / f.to * f.phases;
    const auto nearest = static_cast<int64_t>(phase);
    const auto t = static_cast<float>(phase - nearest);
    const float* rows[4];
    for (int64_t i = 0; i < 4; ++i) rows[i] = f.row(nearest + i);
    float s[4];
    dot4(x + at / f.to - f.before, rows, f.width, s);
    const float below = t * (t - 1) / 6, above = (t + 1) * (t - 2) / 2;
    y[m] = below * ((t + 1) * s[3] - (t - 2) * s[0]) + above * ((t - 1) * s[1] - t * s[2]);
  }
}

}  // namespace

std::vector<float> resample(const float* samples, size_t n, int from, int to) {
  for (const int rate : {from, to}) {
    if (rate < lowest_rate || rate > highest_rate) {
      fail(Code::InvalidArgument, "a sample rate must be from ", lowest_rate, " to ", highest_rate, " Hz, not ", rate);
    }
  }
  if (from == to) return {samples, samples + n};
  const int divisor = std::gcd(from, to);
  const auto filter = filter_for(from / divisor, to / divisor);
  const int64_t count = (static_cast<int64_t>(n) * filter->to + filter->from - 1) / filter->from;

  std::vector<float> padded(n + 2 * filter->width);
  float* x = padded.data() + filter->width;
  std::copy_n(samples, n, x);
  std::vector<float> y(count);
  (filter->exact ? run_exact : run_interpolated)(*filter, x, y.data(), count);
  return y;
}

std::vector<float> downmix(const float* const* channels, size_t count, size_t n) {
  if (count == 0) fail(Code::InvalidArgument, "audio must have at least one channel");
  std::vector<float> mean(channels[0], channels[0] + n);
  for (size_t c = 1; c < count; ++c) {
    for (size_t i = 0; i < n; ++i) mean[i] += channels[c][i];
  }
  if (count > 1) {
    for (float& x : mean) x /= static_cast<float>(count);
  }
  return mean;
}

}  // namespace whisper
