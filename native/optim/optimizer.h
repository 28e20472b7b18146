// How parameters follow their gradients: the interface of the optimizers, of which each has a file beside this one.
#pragma once
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/hyperparameters.h"
#include "core/spellings.h"
#include "model/params.h"

namespace whisper {

struct OptimizerOptions {
  enum class Name { adamw_torch, adamw_hf, adamw_bnb_8bit, adafactor, sgd };
  Name name = Name::adamw_torch;
  bool eight_bit_embeddings = false;  // adamw_bnb_8bit: embeddings too have moments in 8 bits
  bool guard_vanished = false;        // adamw_bnb_8bit: see the operation adamw_8bit
};
// As transformers' --optim has them.
template <>
struct Spellings<OptimizerOptions::Name> {
  using Name = OptimizerOptions::Name;
  static constexpr std::pair<const char*, Name> list[] = {{"adamw_torch", Name::adamw_torch},
                                                          {"adamw_hf", Name::adamw_hf},
                                                          {"adamw_bnb_8bit", Name::adamw_bnb_8bit},
                                                          {"adafactor", Name::adafactor},
                                                          {"sgd", Name::sgd}};
};

// Of one update. The rates are absolute; decay applies to what is not a bias or of a layer norm.
struct Hyperparameters {
  double encoder_rate = 1e-5;
  double decoder_rate = 1e-5;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;

  double rate(Part part) const { return part == Part::decoder ? decoder_rate : encoder_rate; }
};

// A tensor of an optimizer's state that belongs to a parameter. Numbers are f32; of the parameter's shape they lie as
// the parameter does in memory, of any other shape as in the file.
struct StateTensor {
  std::string kind;  // torch's or bitsandbytes' name: "exp_avg", "state1" …
  const Param* param;
  Tensor tensor;
  // Of codes (core/dynamic_map.h): then `tensor` is u8, flat, one code per element and of zero up to a multiple of 256,
  // and this has the largest magnitude of each 256.
  Tensor absmax{};
  bool is_signed = false;  // which map the codes are of
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update of every trained parameter's master, and of its compute copy, with its gradient times scale[0]; t counts
  // updates from 1.
  virtual void update(const Hyperparameters& h, const Tensor& scale, int t) = 0;
  virtual std::vector<StateTensor> state() = 0;
};

// For the parameters that have a gradient; their states start at zero.
std::unique_ptr<Optimizer> make_optimizer(Backend& backend, Params& params, const OptimizerOptions& options);

// What make_optimizer chooses from, each in its file.
using MakeOptimizer = std::unique_ptr<Optimizer>(Backend& backend, Params& params, const OptimizerOptions& options);
MakeOptimizer make_adamw, make_adamw_8bit, make_adafactor, make_sgd;

}  // namespace whisper
