// Log-mel features of Whisper (openai/whisper audio.py, log_mel_spectrogram): frames of 400 samples, 160 apart, centred
// on multiples of 160 with the audio mirrored at its ends; power spectrum under a Hann window; mel bands; log10 down to
// 8 below the largest of the row; (x + 4) / 4. The last frame is dropped, which leaves n / 160.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "audio/mel_filters.h"
#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

constexpr int64_t reach = frame_length / 2;  // samples a frame sees to each side of its centre
constexpr float logarithm_range = 8;

cpu::SpectrumTables make_tables() {
  cpu::SpectrumTables tables;
  const std::vector<double> window = hann_window();
  for (int n2 = 0; n2 < 25; ++n2) {
    for (int n1 = 0; n1 < 16; ++n1) {
      tables.sample[n2][n1] = (25 * n1 + 16 * n2) % frame_length;
      tables.window[n2][n1] = window[tables.sample[n2][n1]];
    }
  }
  // Bins beyond the middle mirror those before it. Each bin comes by once, or with its mirror image of equal power.
  for (int k = 0; k < frame_length; ++k) {
    if (k % 16 <= 8) tables.bin[k % 16][k % 25] = std::min(k, frame_length - k);
  }
  for (int j = 0; j < 25; ++j) {
    tables.cosine[j] = std::cos(2 * std::numbers::pi * j / 25);
    tables.sine[j] = std::sin(2 * std::numbers::pi * j / 25);
  }
  return tables;
}

float amplitude(float x) { return x; }
float amplitude(int16_t x) { return static_cast<float>(x) * 0x1p-15f; }

// Samples [first, first + size) of audio that is mirrored before its start and after its end, without repeating either.
template <class Sample>
void copy_mirrored(float* to, int64_t first, int64_t size, const Sample* samples, int64_t n) {
  for (int64_t i = 0; i < size; ++i) {
    const int64_t at = std::abs(first + i);
    to[i] = amplitude(samples[at < n ? at : 2 * (n - 1) - at]);
  }
}

// Samples up to the last that is not zero.
template <class Sample>
int64_t heard_of(const Sample* samples, int64_t n) {
  while (n > 0 && samples[n - 1] == 0) --n;
  return n;
}

}  // namespace

void CpuBackend::log_mel(Out features, In samples) {
  const int64_t n = samples.shape.width(), batch = samples.shape.rows();
  const int64_t frames = n / hop_length, mels = features.shape.width();
  const bool integers = samples.dtype == DType::I16;
  if (!integers && samples.dtype != DType::F32) {
    fail(Code::InvalidArgument, "log_mel: samples is ", name_of(samples.dtype), ", expected F32 or I16");
  }
  if (n <= reach) {
    fail(Code::InvalidArgument, "log-mel features need at least ", reach + 1, " samples, not ", n);
  }
  if (features.shape.rank != 3 || features.shape[0] != batch || features.shape[1] != frames) {
    fail(Code::ShapeMismatch, "log-mel features of samples ", samples.shape, " have the shape [", batch, ", ", frames,
         ", mels], not ", features.shape);
  }
  static const cpu::SpectrumTables tables = make_tables();
  const MelFilters& filters = mel_filters(static_cast<int>(mels));
  const cpu::MelBands bands{filters.count, filters.first.data(), filters.offset.data(), filters.weights.data()};
  const cpu::LogMelKernels& kernels = kernels_.log_mel;
  const int64_t together = kernels.frames, groups = (frames + together - 1) / together;
  const int64_t span = (together - 1) * hop_length + frame_length;

  // Frames that see nothing but the zeros a short clip was padded with need no transform: their energy is 0, so their
  // logarithm is the lowest there is.
  constexpr float lowest = -10;
  std::vector<int64_t> heard(batch);
  for (int64_t b = 0; b < batch; ++b)
    heard[b] = integers ? heard_of(samples.row_of<int16_t>(b), n) : heard_of(samples.row_of<float>(b), n);

  std::vector<float> largest(batch * groups, lowest);
  cpu::parallel_for(batch * groups, 4, [&](int64_t begin, int64_t end) {
    std::vector<float> mirrored(span);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t b = i / groups, frame = i % groups * together, count = std::min(together, frames - frame);
      const int64_t first = frame * hop_length - reach;
      float* to = features.row_of<float>(b * frames + frame);
      if (first >= heard[b]) {
        for (int64_t f = 0; f < count; ++f) std::fill_n(to + f * features.row_stride, mels, lowest);
        continue;
      }
      const bool inside = first >= 0 && first + span <= n;
      if (integers || !inside) {
        const int64_t size = std::min(span, (count - 1) * hop_length + frame_length);
        if (integers)
          copy_mirrored(mirrored.data(), first, size, samples.row_of<int16_t>(b), n);
        else
          copy_mirrored(mirrored.data(), first, size, samples.row_of<float>(b), n);
        std::fill(mirrored.begin() + size, mirrored.end(), 0.0f);
      }
      const float* seen = integers || !inside ? mirrored.data() : samples.row_of<float>(b) + first;
      largest[i] = kernels.log_energies(to, features.row_stride, static_cast<int>(count), seen, tables, bands);
    }
  });

  std::vector<float> floor(batch);
  for (int64_t b = 0; b < batch; ++b) {
    floor[b] = *std::max_element(&largest[b * groups], &largest[b * groups] + groups) - logarithm_range;
  }
  cpu::parallel_for(batch * frames, 64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) kernels.rescale(features.row_of<float>(r), mels, floor[r / frames]);
  });
}

}  // namespace whisper
