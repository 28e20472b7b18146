// Resampling: the same bits from every set of instructions, at every length of a clip's end.
#include "audio/resample.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "test.h"

using namespace whisper;

namespace {

std::vector<float> noise(int64_t n, uint32_t state) {
  std::vector<float> x(static_cast<size_t>(n));
  for (float& v : x) v = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) / (1 << 23) - 1;
  return x;
}

}  // namespace

TEST(resampling_gives_the_same_bits_with_every_set_of_instructions) {
  for (const int from : {8000, 16000, 22050, 44100, 44101, 48000, 96000}) {
    for (const int64_t n : {0, 1, 2, 159, 160, 161, 999, 20'000}) {
      const std::vector<float> left = noise(n, 1), right = noise(n, 2);
      const float* channels[] = {left.data(), right.data()};
      for (const size_t count : {1, 2}) {
        const auto length = static_cast<size_t>(resampled_length(n, from, 16000));
        // One more than there is: it must stay as it was.
        std::vector<float> best(length + 1, 7), baseline(length + 1, 7);
        resample({channels, count, n}, from, 16000, best.data());
        resample({channels, count, n}, from, 16000, baseline.data(), Instructions::baseline);
        CHECK(std::memcmp(best.data(), baseline.data(), best.size() * sizeof(float)) == 0);
        CHECK(best[length] == 7);
        for (float x : best) CHECK(std::isfinite(x));
      }
    }
  }
}

TEST(resampling_refuses_rates_that_no_audio_has_and_audio_without_channels) {
  float out = 0;
  CHECK_THROWS(InvalidArgument, "from 1000 to 768000 Hz, not 999", resampled_length(1, 999, 16000));
  CHECK_THROWS(InvalidArgument, "not 768001", resampled_length(1, 16000, 768001));
  CHECK_THROWS(InvalidArgument, "at least one channel", resample({nullptr, 0, 1}, 48000, 16000, &out));
}
