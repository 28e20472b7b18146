// Greedy decoding with a key-value cache, batched.
#pragma once
#include <vector>

#include "model/whisper.h"

namespace whisper {

struct GenerateOptions {
  std::vector<int32_t> prompt;  // forced first tokens, the same for every row, e.g. [sot, en, transcribe, notimestamps]
  int max_length = 448;         // of prompt and generated tokens together
  int end = 50257;              // end-of-text token
  std::vector<int32_t> suppress;        // never generated
  std::vector<int32_t> begin_suppress;  // not generated as the first token after the prompt

  void check(const Dims& dims) const;  // throws InvalidArgument
};

struct Generated {
  std::vector<int32_t> tokens;  // after the prompt, with the end token when it came
  std::vector<float> logprobs;  // one per token
};

// One result per row of samples, in order. Cross-attention's keys and values are computed once; rows that are finished
// leave the batch.
std::vector<Generated> generate(Whisper& model, const std::vector<std::vector<float>>& samples,
                                const GenerateOptions& options, const Cancel& cancel);
// The same of audio that is encoded already, [B, source, width], with options that are checked; the tape is paused.
std::vector<Generated> generate(Whisper& model, Context& c, Tensor audio, const GenerateOptions& options);

}  // namespace whisper
