// Log-mel features on the emulated GPU.
#include "agree.h"

namespace whisper::test {
namespace {

// Each row of the batch is louder than the one before, and has a floor of its own.
std::vector<float> sounds(int64_t batch, int64_t n, int64_t heard) {
  const Philox random(1);
  std::vector<float> samples(static_cast<size_t>(batch * n), 0.0f);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < heard; ++i)
      samples[static_cast<size_t>(b * n + i)] =
          std::round(random.normal(static_cast<uint64_t>(b * n + i)) * std::pow(10.0f, static_cast<float>(b))) / 32768;
  return samples;
}

// From f32 and from 16-bit integers, into rows that are spaced.
void log_mel(int64_t batch, int64_t n, int64_t heard, int64_t mels) {
  const std::vector<float> samples = sounds(batch, n, heard);
  std::vector<int16_t> integers(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) integers[i] = static_cast<int16_t>(samples[i] * 32768);
  agree("log_mel", 1e-6, [&](Operands& make) {
    Backend& backend = make.backend();
    const int64_t frames = n / 160;
    Tensor features = make.filled({batch, frames + 2, mels}, 7), same = make.filled({batch, frames, mels}, 7);
    backend.log_mel(features.strided(mels, {batch, frames, mels}, mels, (frames + 2) * mels),
                    make.of(samples, {batch, n}));
    backend.log_mel(same, backend.from_host(integers.data(), {batch, n}, DType::I16));
    return std::vector{features, same};
  });
}

}  // namespace

TEST(cuda_log_mel) {
  log_mel(3, 3300, 3300, 80);
  log_mel(1, 201, 201, 5);
  log_mel(1, 2000, 2000, 201);
}

TEST(cuda_log_mel_of_silence) {
  log_mel(2, 8000, 1700, 128);
  log_mel(1, 1600, 0, 80);
}

TEST(cuda_log_mel_race) { log_mel(1, 1500, 1500, 80); }

}  // namespace whisper::test
