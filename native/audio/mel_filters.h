// Whisper's mel filters and window, computed rather than shipped; shared by every back end.
#pragma once
#include <vector>

namespace whisper {

inline constexpr int sample_rate = 16000;  // Hz, of everything the model hears
inline constexpr int frame_length = 400;   // samples under one window
inline constexpr int hop_length = 160;     // samples from a frame to the next
inline constexpr int spectrum_bins = frame_length / 2 + 1;

// Triangles on the Slaney mel scale from 0 to 8000 Hz, each of unit area: a matrix [count, 201] without its zeros.
// Band m weighs bins first[m] … by weights[offset[m]] … weights[offset[m + 1] - 1].
struct MelFilters {
  int count = 0;
  std::vector<int> first;      // [count]
  std::vector<int> offset;     // [count + 1]
  std::vector<float> weights;  // 391 for 80 bands, 394 for 128
};

// The filters of `count` bands, bit for bit those of openai/whisper's assets/mel_filters.npz (librosa.filters.mel with
// sr = 16000, n_fft = 400) for 80 and 128. Kept for the life of the process; any thread may ask.
// Throws InvalidArgument unless 1 <= count <= 201.
const MelFilters& mel_filters(int count);

// The periodic Hann window of one frame, ½ - ½·cos(2πn/400).
std::vector<double> hann_window();

}  // namespace whisper
