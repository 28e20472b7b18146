// One step of training: gradients of every micro-batch, loss scaling, clipping, the update.
#include "optim/training.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "optim/optimizer_file.h"

namespace whisper {

namespace {

bool all_finite(const Losses& losses) {
  for (float sum : losses.sums)
    if (!std::isfinite(sum)) return false;
  return true;
}

// While this lives, the context's blocks ask whether to stop.
struct Listening {
  Context& context;
  Listening(Context& c, const Cancel& cancel) : context(c) { context.cancel = &cancel; }
  ~Listening() { context.cancel = nullptr; }
};

// Of the random numbers of a micro-batch.
uint64_t key_of(uint64_t seed, uint64_t batch) {
  const auto numbers = Philox(seed)(batch, stream_of("dropout"));
  return uint64_t{numbers[0]} << 32 | numbers[1];
}

}  // namespace

Training::Training(Whisper& model, const TrainingOptions& options)
    : model_(model), context_(model.context()), scaler_(options.loss_scaling), seed_(options.seed) {
  context_.checkpointing = options.checkpointing;
  context_.rates = options.regularization;
  model.params().train(model.backend(), !options.freeze_encoder, !options.freeze_decoder);
  optimizer_ = make_optimizer(model.backend(), model.params(), options.optimizer);
}

StepResult Training::step(const std::vector<Batch>& batches, const StepOptions& o, const Cancel& cancel) {
  if (batches.empty()) fail(Code::InvalidArgument, "step: no batches");
  if (o.scales.size() != batches.size())
    fail(Code::InvalidArgument, "step: ", o.scales.size(), " scales for ", batches.size(), " batches");
  Backend& backend = model_.backend();
  const Tensor& grads = model_.params().grads();

  StepResult result;
  const float loss_scale = scaler_.scale();
  result.loss_scale = loss_scale;
  backend.zero(grads.address, static_cast<size_t>(grads.shape.size()) * sizeof(float));
  context_.tape.clear();  // of a step that ended in an error
  const Listening listening(context_, cancel);
  for (size_t i = 0; i < batches.size(); ++i) {
    cancel.check();
    context_.key = key_of(seed_, batches_ + i);
    result.losses.push_back(model_.accumulate(context_, batches[i], o.scales[i] * loss_scale, o.label_smoothing));
    result.finite = result.finite && all_finite(result.losses.back());
  }

  Tensor norm = backend.empty({1}), scale = backend.empty({1});
  backend.norm(norm, grads);
  backend.clip_scale(scale, norm, o.max_grad_norm, loss_scale);
  float norm_on_host = 0;
  backend.synchronize();
  backend.download(&norm_on_host, norm.address, sizeof norm_on_host);
  result.grad_norm = static_cast<double>(norm_on_host) / loss_scale;
  result.finite = result.finite && std::isfinite(norm_on_host);
  cancel.check();

  batches_ += batches.size();
  scaler_.update(!result.finite);
  if (!result.finite) return result;
  optimizer_->update(o.hyperparameters, scale, ++steps_);
  model_.params().refresh(backend);
  return result;
}

void Training::save(const std::string& path) {
  write_optimizer_file(path, model_.backend(), optimizer_->state(),
                       {{"format", "pt"}, {"step", std::to_string(steps_)}, {"batches", std::to_string(batches_)}});
}

void Training::load(const std::string& path) {
  const OptimizerFile file(path);
  const uint64_t steps = file.count("step"), batches = file.count("batches");
  file.read(model_.backend(), optimizer_->state());
  steps_ = static_cast<int>(steps), batches_ = batches;
}

}  // namespace whisper
