// From any sample rate to any other, and from many channels to one.
#pragma once
#include <cstddef>
#include <vector>

namespace whisper {

inline constexpr int lowest_rate = 1000, highest_rate = 768000;  // Hz

// The n samples at `from` Hz as ceil(n·to / from) samples at `to` Hz: one at each instant m/to before the end, so that
// the first stays where it was and nothing is delayed. Beyond its ends the audio counts as silence.
//
// The filter has linear phase. With f = min(from, to)/2, the highest frequency both rates can hold: it is flat to
// 0.9·f (7.2 kHz for 16 kHz) within 0.001 dB, loses 6 dB at 0.95·f, and everything from f on, which would come back
// as another tone, is below -100 dB. A constant stays what it is. No instruction set is chosen at run time: the same
// binary gives the same bits everywhere.
//
// Any thread may call it. Throws InvalidArgument when a rate is not within [lowest_rate, highest_rate].
std::vector<float> resample(const float* samples, size_t n, int from, int to);

// The mean of `count` channels of n samples. Throws InvalidArgument when count is 0.
std::vector<float> downmix(const float* const* channels, size_t count, size_t n);

}  // namespace whisper
