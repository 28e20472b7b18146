// Loss and texts of a batch whose audio is encoded once.
#include "decode/evaluate.h"

#include <utility>

namespace whisper {

Evaluated evaluate(Whisper& model, const Batch& batch, const GenerateOptions& options, const Cancel& cancel) {
  batch.check(model.dims);
  options.check(model.dims);
  Context c = model.context();
  c.cancel = &cancel;
  return c.tape.paused([&] {
    Tensor audio = model.encode(c, model.features(batch.samples, batch.mask_spans));
    Losses losses = model.loss(c, audio, batch);
    return Evaluated{std::move(losses), generate(model, c, std::move(audio), options)};
  });
}

}  // namespace whisper
