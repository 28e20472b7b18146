// The planner: one step on the dry back end. Beside Training, which it runs.
#include "optim/plan.h"

#include "dry_backend.h"
#include "optim/training.h"

namespace whisper {

Plan plan(const Dims& dims, const PlanOptions& o) {
  if (o.batch < 1) fail(Code::InvalidArgument, "plan: batch must be at least 1, got ", o.batch);
  if (o.labels < 1 || o.labels > dims.target)
    fail(Code::InvalidArgument, "plan: labels must be between 1 and ", dims.target, " (max_target_positions), got ",
         o.labels);
  const DeviceKind kind = o.device.starts_with("cuda") ? DeviceKind::gpu : DeviceKind::cpu;
  auto backend = std::make_shared<DryBackend>(kind);
  Whisper model(backend, dims, o.precision, /*trainable=*/o.training, o.lora);
  const auto live = [&] { return static_cast<int64_t>(backend->live_bytes()); };

  Plan plan;
  const Params& params = model.params();
  plan.masters =
      params.copies() && o.training ? params.masters().shape.size() * static_cast<int64_t>(sizeof(float)) : 0;
  plan.weights = live() - plan.masters;
  plan.parameters = model.params().count();

  Batch batch;
  batch.samples.resize(o.batch);
  batch.time = o.labels;
  batch.labels.assign(static_cast<size_t>(o.batch) * o.labels, 0);
  if (o.training) {
    Training training(model, o.options);
    plan.gradients = model.params().grads().shape.size() * static_cast<int64_t>(sizeof(float));
    plan.optimizer = live() - plan.weights - plan.masters - plan.gradients;
    plan.trainable = model.params().trainable();
    const int64_t before = live();
    backend->reset_peak();
    StepOptions step;
    step.scales = {1};
    training.step({batch}, step, Cancel());
    plan.activations = static_cast<int64_t>(backend->peak_bytes()) - before;
  } else {
    backend->reset_peak();
    model.loss(batch, Cancel());
    plan.activations = static_cast<int64_t>(backend->peak_bytes()) - plan.weights - plan.masters;
  }
  plan.workspace = static_cast<int64_t>(backend->workspace_bytes());
  plan.peak = static_cast<int64_t>(backend->peak_bytes());
  return plan;
}

}  // namespace whisper
