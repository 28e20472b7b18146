// From any sample rate to any other, and from many channels to one.
#pragma once
#include <cstddef>
#include <cstdint>

namespace whisper {

inline constexpr int lowest_rate = 1000, highest_rate = 768000;  // Hz

// `count` channels of as many samples each, at the same instants.
struct Channels {
  const float* const* channels;
  size_t count;
  int64_t samples;
};

// Which instructions compute; the bits are the same.
enum class Instructions { best, baseline };

// How many samples a clip has at another rate: ceil(samples·to / from). Throws InvalidArgument when a rate is not
// within [lowest_rate, highest_rate].
int64_t resampled_length(int64_t samples, int from, int to);

// The mean of the channels at `from` Hz as resampled_length samples at `to` Hz: one at each instant m/to before the
// end, so that the first stays where it was and nothing is delayed. Beyond its ends the audio counts as silence.
//
// The filter has linear phase. With f = min(from, to)/2, the highest frequency both rates can hold: it is flat to
// 0.9·f (7.2 kHz for 16 kHz) within 0.001 dB, loses 6 dB at 0.95·f, and everything from f on, which would come back
// as another tone, is below -100 dB. A constant stays what it is. The same binary gives the same bits everywhere.
//
// Any thread may call it. Throws InvalidArgument for a wrong rate, or when there is no channel.
void resample(const Channels& channels, int from, int to, float* out, Instructions instructions = Instructions::best);

}  // namespace whisper
