// A model being trained: which parameters move, their gradients, an optimizer, and one step.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "model/whisper.h"
#include "optim/loss_scaler.h"
#include "optim/optimizer.h"
#include "optim/optimizer_file.h"

namespace whisper {

struct TrainingOptions {
  bool freeze_encoder = false;
  bool freeze_decoder = false;
  bool train_encoder_positions = false;  // as transformers did before 4.35; not with a frozen encoder
  Checkpointing checkpointing;
  OptimizerOptions optimizer;
  LossScaling loss_scaling;
  Regularization regularization;
  uint64_t seed = 42;  // of dropout and LayerDrop
};

struct StepOptions {
  std::vector<float> scales;  // one per micro-batch: what the sum of its losses is multiplied by before the gradient
  Hyperparameters hyperparameters;
  float max_grad_norm = 1;  // 0: no clipping
  float label_smoothing = 0;
};

struct StepResult {
  std::vector<Losses> losses;  // one per micro-batch
  double grad_norm = 0;        // before clipping, without the loss scale
  bool finite = true;          // false: a loss or the norm was NaN or beyond f32, and nothing was updated
  double loss_scale = 1;       // that this step was made with
};

class Training {
 public:
  // Throws InvalidArgument for options that make no sense.
  Training(Whisper& model, const TrainingOptions& options);

  // Gradients of all micro-batches, clipping, one update, with one wait for the device at the end. Gradients start from
  // zero. A step whose losses or gradients are not finite lowers the loss scale and takes its turn of the random
  // numbers, and changes nothing else; where the loss scale cannot fall, it throws Diverged.
  StepResult step(const std::vector<Batch>& batches, const StepOptions& options, const Cancel& cancel);
  int steps_done() const { return steps_; }

  // The optimizer's state by parameter name, the number of steps, the loss scale and the place in the random numbers,
  // as safetensors (optim/optimizer_file.h). load() throws CorruptFile, ShapeMismatch or, for the file of a run with
  // other options, InvalidArgument, and then leaves everything as it was.
  void save(const std::string& path);
  void load(const std::string& path);

  Context& context() { return context_; }

 private:
  // What a step leaves on the device for the host to read when it is done.
  struct Queued {
    Tensor losses;       // one per label of all micro-batches
    Tensor norm, scale;  // of the gradients, and what they were multiplied by for the update: 0 if it was left out
    bool finite = true;  // what the losses are multiplied by
  };
  Queued queue(const std::vector<Batch>& batches, const StepOptions& options, const Cancel& cancel);
  StepResult read(const Queued& queued, const std::vector<Batch>& batches);
  RunTraits traits() const;

  Whisper& model_;
  const TrainingOptions options_;
  Context context_;
  LossScaler scaler_;
  std::unique_ptr<Optimizer> optimizer_;
  int steps_ = 0;         // updates made
  uint64_t batches_ = 0;  // micro-batches seen: what dropout draws by
};

}  // namespace whisper
