// Checks the sizes of a model before anything is allocated for it.
#include "model/dims.h"

#include "core/error.h"

namespace whisper {

void Dims::check() const {
  const auto positive = [](const char* name, int value, int most) {
    if (value < 1 || value > most) fail(Code::Config, name, " must be between 1 and ", most, ", got ", value);
  };
  positive("num_mel_bins", mels, 512);
  positive("max_source_positions", source, 1 << 20);
  positive("max_target_positions", target, 1 << 20);
  positive("d_model", width, 1 << 16);
  positive("encoder_layers", encoder_layers, 1024);
  positive("decoder_layers", decoder_layers, 1024);
  positive("encoder_attention_heads", encoder_heads, width);
  positive("decoder_attention_heads", decoder_heads, width);
  positive("encoder_ffn_dim", encoder_ffn, 1 << 20);
  positive("decoder_ffn_dim", decoder_ffn, 1 << 20);
  positive("vocab_size", vocab, 1 << 24);
  if (width % 2) fail(Code::Config, "d_model must be even, got ", width);
  if (width % encoder_heads)
    fail(Code::Config, "d_model ", width, " is not a multiple of encoder_attention_heads ", encoder_heads);
  if (width % decoder_heads)
    fail(Code::Config, "d_model ", width, " is not a multiple of decoder_attention_heads ", decoder_heads);
  if (padding < -1 || padding >= vocab)
    fail(Code::Config, "pad_token_id ", padding, " is outside the vocabulary of ", vocab);
  if (start < 0 || start >= vocab)
    fail(Code::Config, "decoder_start_token_id ", start, " is outside the vocabulary of ", vocab);
}

}  // namespace whisper
