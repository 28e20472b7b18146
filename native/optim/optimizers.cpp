// The list of optimizers.
#include "core/error.h"
#include "optim/optimizer.h"

namespace whisper {

std::unique_ptr<Optimizer> make_optimizer(Backend& backend, Params& params, const OptimizerOptions& options) {
  using Name = OptimizerOptions::Name;
  switch (options.name) {
    case Name::adamw_torch:
    case Name::adamw_hf:
      return make_adamw(backend, params, options);
    case Name::adamw_bnb_8bit:
      return make_adamw_8bit(backend, params, options);
    case Name::adafactor:
      return make_adafactor(backend, params, options);
    case Name::sgd:
      return make_sgd(backend, params, options);
  }
  fail(Code::InvalidArgument, "optimizer: unknown");
}

}  // namespace whisper
