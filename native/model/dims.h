// The sizes of a Whisper model, as config.json has them.
#pragma once
#include <cstdint>

namespace whisper {

struct Dims {
  int mels = 80;      // num_mel_bins
  int source = 1500;  // max_source_positions: encoder positions; the window has 2·source frames of 160 samples
  int target = 448;   // max_target_positions
  int width = 384;    // d_model
  int encoder_layers = 4;
  int encoder_heads = 6;
  int encoder_ffn = 1536;
  int decoder_layers = 4;
  int decoder_heads = 6;
  int decoder_ffn = 1536;
  int vocab = 51865;
  int padding = 50257;  // pad_token_id: its row of the embedding gets no gradient from look-ups; -1 for none
  int start = 50258;    // decoder_start_token_id: what labels are shifted right by

  int frames() const { return 2 * source; }
  int64_t samples() const { return int64_t{160} * frames(); }  // of a window at 16 kHz

  // Throws Config naming the size that cannot be (zero, negative, heads that do not divide the width, ids outside the
  // vocabulary).
  void check() const;
};

}  // namespace whisper
