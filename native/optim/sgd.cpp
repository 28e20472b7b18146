// Stochastic gradient descent without momentum: no state.
#include "optim/runs.h"

namespace whisper {
namespace {

class Sgd final : public Optimizer {
 public:
  Sgd(Backend& backend, Params& params) : backend_(backend), params_(params), runs_(runs_of(params)) {}

  void update(const Hyperparameters& h, const Tensor& scale, int) override {
    for (const Run& run : runs_)
      backend_.sgd(run.masters_of(params_), run.grads_of(params_), scale, run.rate(h), run.decay(h),
                   run.copies_of(params_));
  }

  std::vector<StateTensor> state() override { return {}; }

 private:
  Backend& backend_;
  Params& params_;
  const std::vector<Run> runs_;
};

}  // namespace

std::unique_ptr<Optimizer> make_sgd(Backend& backend, Params& params, const OptimizerOptions&) {
  return std::make_unique<Sgd>(backend, params);
}

}  // namespace whisper
