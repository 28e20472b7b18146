// One step of training: gradients of every micro-batch, loss scaling, clipping, the update.
#include "optim/training.h"

#include <cmath>
#include <iomanip>
#include <limits>
#include <locale>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/random.h"

namespace whisper {

namespace {

// While this lives, the context's blocks ask whether to stop.
struct Listening {
  Context& context;
  Listening(Context& c, const Cancel& cancel) : context(c) { context.cancel = &cancel; }
  ~Listening() { context.cancel = nullptr; }
};

const TrainingOptions& checked(const TrainingOptions& o) {
  const Regularization& r = o.regularization;
  const std::pair<const char*, float> rates[] = {{"dropout", r.dropout},
                                                 {"attention dropout", r.attention_dropout},
                                                 {"activation dropout", r.activation_dropout},
                                                 {"encoder layerdrop", r.encoder_layerdrop},
                                                 {"decoder layerdrop", r.decoder_layerdrop}};
  for (const auto& [name, rate] : rates)
    if (!(rate >= 0 && rate < 1))
      fail(Code::InvalidArgument, "training: the ", name, " must be at least 0 and below 1, got ", rate);
  if (o.checkpointing.every < 1)
    fail(Code::InvalidArgument, "training: checkpointing of every n-th block needs n of at least 1, got ",
         o.checkpointing.every);
  return o;
}

// A float such that reading it gives its bits again.
std::string text(float x) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::setprecision(std::numeric_limits<float>::max_digits10) << x;
  return out.str();
}

int64_t labels_of(const std::vector<Batch>& batches) {
  int64_t labels = 0;
  for (const Batch& batch : batches) labels += static_cast<int64_t>(batch.labels.size());
  return labels;
}

// Of the random numbers of a micro-batch.
uint64_t key_of(uint64_t seed, uint64_t batch) {
  const auto numbers = Philox(seed)(batch, stream_of("dropout"));
  return uint64_t{numbers[0]} << 32 | numbers[1];
}

}  // namespace

Training::Training(Whisper& model, const TrainingOptions& options)
    : model_(model), options_(checked(options)), context_(model.context()), scaler_(options.loss_scaling) {
  context_.checkpointing = options.checkpointing;
  context_.rates = options.regularization;
  model.params().train(model.backend(), !options.freeze_encoder, !options.freeze_decoder,
                       options.train_encoder_positions && !options.freeze_encoder);
  optimizer_ = make_optimizer(model.backend(), model.params(), options.optimizer);
}

StepResult Training::step(const std::vector<Batch>& batches, const StepOptions& o, const Cancel& cancel) {
  if (batches.empty()) fail(Code::InvalidArgument, "step: no batches");
  if (o.scales.size() != batches.size())
    fail(Code::InvalidArgument, "step: ", o.scales.size(), " scales for ", batches.size(), " batches");
  for (float scale : o.scales)
    if (!std::isfinite(scale)) fail(Code::InvalidArgument, "step: a batch's scale must be finite, got ", scale);
  for (const Batch& batch : batches) batch.check(model_.dims);

  const Queued queued = queue(batches, o, cancel);
  StepResult result = read(queued, batches);
  batches_ += batches.size();
  steps_ += result.finite;
  scaler_.update(!result.finite);
  return result;
}

// Forward, backward and update of all micro-batches. Nothing waits for the device: it finds out by itself whether
// something is not finite, and leaves out the update then.
Training::Queued Training::queue(const std::vector<Batch>& batches, const StepOptions& o, const Cancel& cancel) {
  Backend& backend = model_.backend();
  const Tensor& grads = model_.params().grads();
  const Listening listening(context_, cancel);
  Queued queued{backend.empty({labels_of(batches)}), backend.empty({1}), backend.empty({1})};
  Graph graph(backend, batches.size());
  backend.zero(grads.address, static_cast<size_t>(grads.shape.size()) * sizeof(float));
  context_.tape.clear();  // of a step that ended in an error
  int64_t at = 0;
  for (size_t i = 0; i < batches.size(); ++i) {
    const Batch& batch = batches[i];
    cancel.check();
    context_.key = key_of(options_.seed, batches_ + i);
    const float scale = o.scales[i] * scaler_.scale();  // beyond f32 it counts as an overflow, for it makes one
    queued.finite = queued.finite && std::isfinite(scale);
    const auto labels = static_cast<int64_t>(batch.labels.size());
    model_.accumulate(context_, model_.features(batch.samples, batch.mask_spans), batch, scale, o.label_smoothing,
                      queued.losses.part(at, {labels}));
    at += labels;
  }
  cancel.check();
  backend.norm(queued.norm, grads);
  backend.clip_scale(queued.scale, queued.norm, queued.losses, o.max_grad_norm, scaler_.scale());
  if (queued.finite) optimizer_->update(o.hyperparameters, queued.scale, steps_ + 1);
  graph.end();
  return queued;
}

// The one wait for the device.
StepResult Training::read(const Queued& queued, const std::vector<Batch>& batches) {
  Backend& backend = model_.backend();
  std::vector<float> losses(static_cast<size_t>(queued.losses.shape.size()), 0.0f);
  float norm = 0, scale = 1;
  backend.synchronize();
  backend.download(losses.data(), queued.losses.address, losses.size() * sizeof(float));
  backend.download(&norm, queued.norm.address, sizeof norm);
  backend.download(&scale, queued.scale.address, sizeof scale);

  StepResult result;
  const float* of_batch = losses.data();
  for (const Batch& batch : batches) {
    result.losses.emplace_back(batch, of_batch);
    of_batch += batch.labels.size();
  }
  result.loss_scale = scaler_.scale();
  result.grad_norm = static_cast<double>(norm) / scaler_.scale();
  result.finite = queued.finite && scale != 0;
  return result;
}

RunTraits Training::traits() const {
  const Params& params = model_.params();
  const bool encoder = params.trained(Part::encoder), decoder = params.trained(Part::decoder);
  const std::string parts = encoder && decoder ? "all" : encoder ? "encoder" : "decoder";
  RunTraits traits{{"optimizer", spelling_of(options_.optimizer.name)},
                   {"precision", spelling_of(model_.precision)},
                   {"trained", parts + (params.trained(Part::fixed) ? " and encoder positions" : "")},
                   {"loss_scaler", spelling_of(scaler_.kind())}};
  if (options_.optimizer.name == OptimizerOptions::Name::adamw_bnb_8bit)
    traits.emplace_back("eight_bit_embeddings", options_.optimizer.eight_bit_embeddings ? "true" : "false");
  return traits;
}

void Training::save(const std::string& path) {
  const LossScaler::State& scaler = scaler_.state();
  Metadata metadata{{"format", "pt"},
                    {"step", std::to_string(steps_)},
                    {"batches", std::to_string(batches_)},
                    {"loss_scale", text(scaler.scale)},
                    {"loss_scale_clean_steps", std::to_string(scaler.clean)},
                    {"loss_scale_hysteresis", std::to_string(scaler.hysteresis)}};
  for (const auto& trait : traits()) metadata.insert(trait);
  write_optimizer_file(path, model_.backend(), optimizer_->state(), metadata);
}

void Training::load(const std::string& path) {
  const OptimizerFile file(path);
  file.check_run(traits());
  constexpr int most = std::numeric_limits<int>::max();
  const auto steps = static_cast<int>(file.count("step", most));
  const auto batches = static_cast<uint64_t>(file.count("batches", most));
  const LossScaler::State scaler{.scale = file.number("loss_scale"),
                                 .clean = static_cast<int>(file.count("loss_scale_clean_steps", most)),
                                 .hysteresis = static_cast<int>(file.count("loss_scale_hysteresis", most))};
  file.read(model_.backend(), optimizer_->state());
  steps_ = steps, batches_ = batches;
  scaler_.resume(scaler);
}

}  // namespace whisper
