// Mel filters as librosa.filters.mel makes them, with the same roundings on the way.
#include "audio/mel_filters.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numbers>

#include "core/error.h"

namespace whisper {
namespace {

// The Slaney scale (Auditory Toolbox, 1998): 200/3 Hz a mel up to 1000 Hz, then 27 mels for every factor of 6.4.
constexpr double linear_step = 200.0 / 3, corner_hertz = 1000, corner_mel = 15;
const double log_step = std::log(6.4) / 27;

double hertz(double mel) {
  return mel < corner_mel ? linear_step * mel : corner_hertz * std::exp(log_step * (mel - corner_mel));
}

MelFilters make_filters(int count) {
  const double highest = corner_mel + std::log(sample_rate / 2 / corner_hertz) / log_step;
  std::vector<double> edges(static_cast<size_t>(count) + 2);
  for (int i = 0; i < count + 1; ++i) edges[i] = hertz(i * (highest / (count + 1)));
  edges.back() = hertz(highest);  // not a rounding more, which would give bin 200 a weight

  MelFilters filters;
  filters.count = count;
  filters.offset.push_back(0);
  for (int m = 0; m < count; ++m) {
    const double low = edges[m], peak = edges[m + 1], high = edges[m + 2];
    int first = 0;
    for (int k = 0; k < spectrum_bins; ++k) {
      const double f = k * (static_cast<double>(sample_rate) / frame_length);
      // librosa keeps the triangles in f32, and scales them to unit area by a factor in f64.
      const double rise = (f - low) / (peak - low), fall = (high - f) / (high - peak);
      const auto triangle = static_cast<float>(std::max(0.0, std::min(rise, fall)));
      if (triangle == 0) continue;
      if (static_cast<int>(filters.weights.size()) == filters.offset.back()) first = k;
      filters.weights.push_back(static_cast<float>(triangle * (2 / (high - low))));
    }
    filters.first.push_back(first);
    filters.offset.push_back(static_cast<int>(filters.weights.size()));
  }
  return filters;
}

}  // namespace

const MelFilters& mel_filters(int count) {
  if (count < 1 || count > spectrum_bins) {
    fail(Code::InvalidArgument, "the number of mel bands must be from 1 to ", spectrum_bins, ", not ", count);
  }
  static std::mutex mutex;
  static std::map<int, MelFilters> made;
  const std::lock_guard lock(mutex);
  const auto found = made.find(count);
  return found != made.end() ? found->second : made.emplace(count, make_filters(count)).first->second;
}

std::vector<double> hann_window() {
  std::vector<double> window(frame_length);
  for (int n = 0; n < frame_length; ++n) window[n] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * n / frame_length);
  return window;
}

}  // namespace whisper
