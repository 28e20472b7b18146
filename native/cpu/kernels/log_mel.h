// Kernels of log-mel features: many frames side by side, one in each lane of a vector.
#pragma once
#include <cstdint>

namespace whisper::cpu {

// What the Fourier transform of a frame of 400 samples needs to know, in the order in which it asks (log_mel.inc).
struct SpectrumTables {
  int sample[25][16];           // the sample at tap n1 of column n2: (25·n1 + 16·n2) mod 400
  double window[25][16];        // the Hann window there
  int bin[9][25];               // the bin in 0 … 200 that row k1 and column k2 of the result belong to
  double cosine[25], sine[25];  // of 2πj/25
};

// Mel filters without their zeros: band m weighs bins first[m] … by weights[offset[m]] … weights[offset[m + 1] - 1].
struct MelBands {
  int count;
  const int* first;
  const int* offset;
  const float* weights;
};

struct LogMelKernels {
  int frames;  // that one call transforms

  // log10(max(1e-10, energy of each band)) of `frames` frames, of which the first `count` are written, a row each.
  // Frame f is the 400 samples from 160·f. Returns the largest logarithm written. A sample that is not finite makes
  // the frames that see it NaN.
  float (*log_energies)(float* features, int64_t row_stride, int count, const float* samples,
                        const SpectrumTables& spectrum, const MelBands& bands);

  // x = (max(x, floor) + 4) / 4
  void (*rescale)(float* x, int64_t n, float floor);
};

}  // namespace whisper::cpu
