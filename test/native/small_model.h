// A small model and a batch for it, for tests of whole steps.
#pragma once
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "backend.h"
#include "model/whisper.h"

namespace whisper::test {

// Sizes that fill no tile: edges are where kernels read too far. Of the tensors only conv1's weight, 36·3·80, has
// enough elements for moments in 8 bits, and its last block of 256 is not full.
inline Dims small() {
  Dims d;
  d.mels = 80, d.source = 23, d.target = 12, d.width = 36, d.vocab = 61, d.padding = 50, d.start = 51;
  d.encoder_layers = d.decoder_layers = 2;
  d.encoder_heads = 3, d.decoder_heads = 2;
  d.encoder_ffn = 70, d.decoder_ffn = 54;
  return d;
}

inline Batch clips(const Dims& dims, int rows) {
  Batch batch;
  batch.time = 5;
  for (int r = 0; r < rows; ++r) {
    std::vector<float> samples(static_cast<size_t>(dims.samples() / (r + 1)));
    for (size_t i = 0; i < samples.size(); ++i)
      samples[i] = std::sin(static_cast<float>(i) * 0.05f * static_cast<float>(r + 1)) / 3;
    batch.samples.push_back(std::move(samples));
    for (int t = 0; t < batch.time; ++t) batch.labels.push_back(t + r > 5 ? -100 : t == 4 ? dims.padding : 7 * r + t);
  }
  batch.mask_spans = {0, 2, 9, 0, dims.mels, rows - 1, 0, dims.frames(), 5, 17};
  return batch;
}

// Runs f once per instruction set of this machine.
template <class F>
void with_every_isa(F f) {
  for (const std::string& isa : device_info().isas) {
    ::setenv("WHISPER_TUNE_ISA", isa.c_str(), 1);
    f();
    ::unsetenv("WHISPER_TUNE_ISA");
  }
}

}  // namespace whisper::test
