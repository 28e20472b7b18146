// Loss scaling: in f16 small gradients would vanish, so the loss is multiplied before the backward pass and the
// gradients divided before the update. The factor follows what the gradients bear (Micikevicius et al.,
// arXiv:1710.03740).
#pragma once
#include <map>
#include <string>

namespace whisper {

struct LossScaling {
  enum class Kind {
    none,       // the factor is 1
    torch,      // torch.amp.GradScaler (torch/amp/grad_scaler.py; aten/native/cuda/AmpKernels.cu: amp_update_scale)
    deepspeed,  // DeepSpeed's DynamicLossScaler (deepspeed/runtime/fp16/loss_scaler.py)
  };
  Kind kind = Kind::none;
  double initial = 65536;
  int window = 2000;   // steps without overflow after which the factor doubles; DeepSpeed's default is 1000
  int hysteresis = 2;  // deepspeed: overflows before the factor is halved
  double minimum = 1;  // deepspeed: an overflow at this factor is an error
};

class LossScaler {
 public:
  explicit LossScaler(const LossScaling& options);

  float scale() const { return scale_; }
  // After each step. Throws LossScale (DeepSpeed's form) on an overflow at the smallest factor.
  void update(bool overflow);

  // As text in the metadata of the optimizer's file; load throws CorruptFile naming `path`, and InvalidArgument when
  // the file is of another kind.
  std::map<std::string, std::string> save() const;
  void load(const std::map<std::string, std::string>& metadata, const std::string& path);

 private:
  LossScaling options_;
  float scale_ = 1;
  int clean_ = 0;       // steps since the last overflow or change of the factor
  int hysteresis_ = 0;  // overflows left
};

}  // namespace whisper
