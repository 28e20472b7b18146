// A model being trained: which parameters move, their gradients and optimizer states, and one step.
#pragma once
#include <string>
#include <vector>

#include "model/whisper.h"

namespace whisper {

struct TrainingOptions {
  bool freeze_encoder = false;
  bool freeze_decoder = false;
  bool checkpointing = false;  // keep the inputs of blocks only and run them again on the way back
};

struct StepOptions {
  std::vector<float> scales;  // one per micro-batch: what the sum of its losses is multiplied by before the gradient
  double learning_rate = 1e-5;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
  float max_grad_norm = 1;  // 0: no clipping
  float label_smoothing = 0;
};

struct StepResult {
  std::vector<Losses> losses;  // one per micro-batch
  double grad_norm = 0;        // before clipping
  bool finite = true;          // false: a loss or the norm was NaN or infinite, and nothing was updated
};

class Training {
 public:
  Training(Whisper& model, const TrainingOptions& options);

  // Gradients of all micro-batches, clipping, one update. Gradients start from zero.
  StepResult step(const std::vector<Batch>& batches, const StepOptions& options, const Cancel& cancel);
  int steps_done() const { return steps_; }

  // Moments by parameter name ("exp_avg.NAME", "exp_avg_sq.NAME") and the number of steps, as safetensors.
  void save(const std::string& path);
  void load(const std::string& path);

  Context& context() { return context_; }

 private:
  Tensor of(const Tensor& moments, const Param& p) const;

  Whisper& model_;
  Context context_;
  int steps_ = 0;
  Tensor m_, v_;  // one element per trainable element, in the order of the gradients
};

}  // namespace whisper
