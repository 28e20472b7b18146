// What evaluation wants to know of a batch: the loss of its labels and the texts that the model hears, of one encoding.
#pragma once
#include "decode/generate.h"

namespace whisper {

struct Evaluated {
  Losses losses;
  std::vector<Generated> texts;
};

Evaluated evaluate(Whisper& model, const Batch& batch, const GenerateOptions& options, const Cancel& cancel);

}  // namespace whisper
