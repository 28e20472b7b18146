// One step of training: gradients of every micro-batch, clipping, AdamW over flat buffers; and the optimizer's files.
#include "optim/training.h"

#include <cmath>

#include "core/error.h"

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

}  // namespace

Training::Training(Whisper& model, const TrainingOptions& options) : model_(model), context_{model.backend()} {
  context_.checkpointing = options.checkpointing;
  model.params().train(model.backend(), !options.freeze_encoder, !options.freeze_decoder);
  const Shape shape = model.params().grads().shape;
  m_ = model.backend().zeros(shape);
  v_ = model.backend().zeros(shape);
}

StepResult Training::step(const std::vector<Batch>& batches, const StepOptions& o, const Cancel& cancel) {
  if (batches.empty()) fail(Code::InvalidArgument, "step: no batches");
  if (o.scales.size() != batches.size())
    fail(Code::InvalidArgument, "step: ", o.scales.size(), " scales for ", batches.size(), " batches");
  Backend& backend = model_.backend();
  const Params& params = model_.params();
  const Tensor& grads = params.grads();

  StepResult result;
  backend.zero(grads.address, static_cast<size_t>(grads.shape.size()) * sizeof(float));
  context_.tape.clear();  // of a step that ended in an error
  const Listening listening(context_, cancel);
  for (size_t i = 0; i < batches.size(); ++i) {
    cancel.check();
    result.losses.push_back(model_.accumulate(context_, batches[i], o.scales[i], o.label_smoothing));
    result.finite = result.finite && all_finite(result.losses.back());
  }

  Tensor norm = backend.empty({1}), scale = backend.empty({1});
  backend.norm(norm, grads);
  backend.clip_scale(scale, norm, o.max_grad_norm);
  float norm_on_host = 0;
  backend.synchronize();
  backend.download(&norm_on_host, norm.address, sizeof norm_on_host);
  result.grad_norm = norm_on_host;
  result.finite = result.finite && std::isfinite(norm_on_host);
  if (!result.finite) return result;
  cancel.check();

  ++steps_;
  for (const Range& r : params.ranges())
    backend.adamw(params.values().part(r.value_offset, {r.size}), m_.part(r.grad_offset, {r.size}),
                  v_.part(r.grad_offset, {r.size}), grads.part(r.grad_offset, {r.size}), scale, o.learning_rate,
                  o.beta1, o.beta2, o.epsilon, r.decay ? o.weight_decay : 0, steps_);
  return result;
}

// The part of a moment that belongs to a parameter: where the parameter's gradient lies in the gradients.
Tensor Training::of(const Tensor& moments, const Param& p) const {
  const auto offset =
      static_cast<const float*>(p.grad.address) - static_cast<const float*>(model_.params().grads().address);
  return moments.part(offset, p.shape);
}

void Training::save(const std::string& path) {
  std::vector<std::vector<float>> host;
  std::vector<NamedTensor> tensors;
  const auto add = [&](const char* kind, const Tensor& moments, const Param& p) {
    const auto& data = host.emplace_back(to_file_layout(model_.backend(), p, of(moments, p)));
    tensors.push_back(
        {std::string(kind) + "." + p.name, "F32", p.file_shape(), data.data(), data.size() * sizeof(float)});
  };
  for (const Param& p : model_.params().list()) {
    if (!p.grad) continue;
    add("exp_avg", m_, p);
    add("exp_avg_sq", v_, p);
  }
  save_safetensors(path, tensors, {{"format", "pt"}, {"optimizer", "adamw"}, {"step", std::to_string(steps_)}});
}

void Training::load(const std::string& path) {
  const Safetensors file(path);
  const auto step = file.metadata().find("step");
  if (step == file.metadata().end() || step->second.empty() || step->second.size() > 9 ||
      step->second.find_first_not_of("0123456789") != std::string::npos)
    fail(Code::CorruptFile, path, ": the metadata has no valid step count");

  const auto entry_of = [&](const char* kind, const Param& p) -> const Safetensors::Entry& {
    const std::string name = std::string(kind) + "." + p.name;
    const Safetensors::Entry* entry = file.find(name);
    if (!entry)
      fail(Code::CorruptFile, path, ": ", name, " is missing; was the optimizer saved with other frozen parts?");
    if (entry->shape != p.file_shape())
      fail(Code::ShapeMismatch, path, ": ", name, " has another shape than the parameter");
    return *entry;
  };
  size_t expected = 0;
  for (const Param& p : model_.params().list())
    if (p.grad) entry_of("exp_avg", p), entry_of("exp_avg_sq", p), expected += 2;
  if (file.entries().size() != expected)
    fail(Code::CorruptFile, path, ": ", file.entries().size(), " tensors, expected ", expected,
         "; was the optimizer saved with other frozen parts?");

  std::vector<float> host;
  const auto read = [&](const char* kind, const Tensor& moments, const Param& p) {
    host.resize(static_cast<size_t>(p.shape.size()));
    file.read_f32(entry_of(kind, p), p.name, host.data());
    from_file_layout(model_.backend(), p, of(moments, p), host.data());
  };
  for (const Param& p : model_.params().list())
    if (p.grad) read("exp_avg", m_, p), read("exp_avg_sq", v_, p);
  steps_ = std::stoi(step->second);
  model_.backend().synchronize();
}

}  // namespace whisper
