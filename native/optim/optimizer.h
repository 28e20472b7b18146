// How parameters follow their gradients: the interface of the optimizers, of which each has a file beside this one.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/hyperparameters.h"
#include "model/params.h"

namespace whisper {

struct OptimizerOptions {
  // As transformers' --optim names them.
  enum class Name { adamw_torch, adamw_hf, adamw_bnb_8bit, adafactor, sgd };
  Name name = Name::adamw_torch;
  bool eight_bit_embeddings = false;  // adamw_bnb_8bit: embeddings too have moments in 8 bits
  bool guard_vanished = false;        // adamw_bnb_8bit: see the operation adamw_8bit
};

// Of one update. The rates are absolute; decay applies to what is not a bias or of a layer norm.
struct Hyperparameters {
  double encoder_rate = 1e-5;
  double decoder_rate = 1e-5;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;
};

// A tensor of an optimizer's state that belongs to a parameter.
struct StateTensor {
  std::string kind;  // torch's or bitsandbytes' name: "exp_avg", "state1" …; in files "exp_avg.model.encoder…"
  const Param* param;
  Tensor tensor;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of every trained parameter's master with its gradient times scale[0]; t counts updates from 1.
  virtual void update(const Hyperparameters& h, const Tensor& scale, int t) = 0;
  virtual std::vector<StateTensor> state() = 0;
};

// For the parameters that have a gradient; their states start at zero.
std::unique_ptr<Optimizer> make_optimizer(Backend& backend, Params& params, const OptimizerOptions& options);

const char* name_of(OptimizerOptions::Name name);

}  // namespace whisper
