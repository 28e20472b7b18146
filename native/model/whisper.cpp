// From a batch in host memory to losses and gradients.
#include "model/whisper.h"

#include <algorithm>

#include "core/error.h"

namespace whisper {

namespace {

const Dims& checked(const Dims& dims) {
  dims.check();
  return dims;
}

// What the decoder reads while it learns to predict the labels: the start token, then the labels themselves, ignored
// ones as padding (transformers modeling_whisper.py: shift_tokens_right).
std::vector<int32_t> shift_right(const Batch& batch, const Dims& dims) {
  std::vector<int32_t> tokens(batch.labels.size());
  for (int r = 0; r < batch.rows(); ++r)
    for (int t = 0; t < batch.time; ++t) {
      const size_t at = static_cast<size_t>(r) * batch.time + t;
      const int32_t previous = t == 0 ? dims.start : batch.labels[at - 1];
      tokens[at] = previous < 0 ? std::max(dims.padding, 0) : previous;
    }
  return tokens;
}

// [rows, time]
Tensor decoder_inputs(Backend& backend, const Batch& batch, const Dims& dims) {
  const Shape shape{batch.rows(), batch.time};
  if (!batch.inputs.empty()) return backend.from_host(batch.inputs.data(), shape, DType::I32);
  return backend.from_host(shift_right(batch, dims).data(), shape, DType::I32);
}

}  // namespace

Losses::Losses(const Batch& batch, const float* of_labels) {
  for (int r = 0; r < batch.rows(); ++r) {
    double sum = 0;
    int32_t count = 0;
    for (int t = 0; t < batch.time; ++t) {
      const size_t at = static_cast<size_t>(r) * batch.time + t;
      sum += of_labels[at];
      count += batch.labels[at] >= 0;
    }
    sums.push_back(static_cast<float>(sum));
    tokens.push_back(count);
  }
}

void Batch::check(const Dims& dims) const {
  if (rows() == 0) fail(Code::InvalidArgument, "batch: no rows");
  if (time < 1 || time > dims.target)
    fail(Code::InvalidArgument, "batch: ", time, " labels per row, expected 1 to ", dims.target,
         " (max_target_positions)");
  if (labels.size() != static_cast<size_t>(rows()) * time)
    fail(Code::ShapeMismatch, "batch: ", labels.size(), " labels for ", rows(), " rows of ", time);
  if (mask_spans.size() % 5)
    fail(Code::ShapeMismatch, "batch: ", mask_spans.size(), " numbers of mask spans, expected five per span");
  for (int32_t label : labels)
    if (label >= dims.vocab)
      fail(Code::InvalidArgument, "batch: label ", label, " is outside the vocabulary of ", dims.vocab);
  if (!inputs.empty() && inputs.size() != labels.size())
    fail(Code::ShapeMismatch, "batch: ", inputs.size(), " inputs for ", rows(), " rows of ", time);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i] < 0 || inputs[i] >= dims.vocab)
      fail(Code::InvalidArgument, "batch: input ", inputs[i], " of row ", i / time, " is outside the vocabulary of ",
           dims.vocab);
}

Whisper::Whisper(std::shared_ptr<Backend> backend, const Dims& d, Precision p, bool trainable, const Lora& lora)
    : dims(checked(d)),
      precision(p),
      backend_(std::move(backend)),
      params_(lora),
      encoder_(params_, dims),
      decoder_(params_, dims) {
  if (precision == Precision::f32_fast) backend_->fast_products();
  params_.materialise(*backend_, dtype_of(precision), trainable);
}

Tensor Whisper::features(const std::vector<std::vector<float>>& samples, const std::vector<int32_t>& mask_spans) {
  const int64_t rows = static_cast<int64_t>(samples.size()), window = dims.samples();
  Tensor device = backend_->zeros({rows, window});
  for (int64_t r = 0; r < rows; ++r) {
    const size_t n = std::min<size_t>(samples[r].size(), window);
    backend_->upload(device.part(r * window, {window}).address, samples[r].data(), n * sizeof(float));
  }
  Tensor features = backend_->zeros({rows, dims.frames() + 2, dims.mels});
  backend_->log_mel(interior(features), device);
  if (!mask_spans.empty()) {
    const Shape shape{static_cast<int64_t>(mask_spans.size()) / 5, 5};
    backend_->mask_spans(interior(features), backend_->from_host(mask_spans.data(), shape, DType::I32));
  }
  return features;
}

Losses Whisper::read(const Tensor& losses, const Batch& batch) {
  std::vector<float> host(batch.labels.size(), 0.0f);
  backend_->synchronize();
  backend_->download(host.data(), losses.address, host.size() * sizeof(float));
  return {batch, host.data()};
}

Losses Whisper::loss(const Batch& batch, const Cancel& cancel) {
  batch.check(dims);
  Context c = context();
  c.cancel = &cancel;
  return c.tape.paused([&] { return loss(c, encode(c, features(batch.samples, batch.mask_spans)), batch); });
}

Losses Whisper::loss(Context& c, const Tensor& audio, const Batch& batch) {
  const Shape shape{batch.rows(), batch.time};
  Tensor tokens = decoder_inputs(*backend_, batch, dims);
  Tensor labels = backend_->from_host(batch.labels.data(), shape, DType::I32);
  Tensor x = decoder_.forward(c, tokens, audio), losses = backend_->empty({shape.size()});
  backend_->classifier(losses, Tensor(), Tensor(), x, labels, decoder_.embedding().value, /*scale=*/1,
                       /*smoothing=*/0);
  return read(losses, batch);
}

Tensor Whisper::logits(Context& c, Tensor features, const Batch& batch) {
  batch.check(dims);
  return c.tape.paused([&] {
    Tensor audio = encode(c, std::move(features));
    return decoder_.logits(c, decoder_.forward(c, decoder_inputs(*backend_, batch, dims), audio));
  });
}

void Whisper::accumulate(Context& c, Tensor features, const Batch& batch, float scale, float smoothing,
                         const Tensor& losses) {
  const bool encoder_trained = params_.trained(Part::encoder);
  const Shape shape{batch.rows(), batch.time};
  Tensor tokens = decoder_inputs(*backend_, batch, dims);
  Tensor labels = backend_->from_host(batch.labels.data(), shape, DType::I32);

  const auto listen = [&] { return encode(c, std::move(features)); };
  Tensor audio = encoder_trained ? listen() : c.tape.paused(listen);
  Tensor x = decoder_.forward(c, tokens, audio);

  Tensor dx = c.like(x);
  const Param& projection = decoder_.embedding();
  backend_->classifier(losses, dx, projection.grad, x, labels, projection.value, scale, smoothing);

  Tensor daudio = encoder_trained ? c.zero_residual(audio.shape) : Tensor();
  decoder_.backward(c, dx, audio, daudio);
  if (encoder_trained) encoder_.backward(c, daudio);
  if (!c.tape.empty()) fail(Code::InvalidArgument, "tape: backward() left something of forward()");
}

}  // namespace whisper
