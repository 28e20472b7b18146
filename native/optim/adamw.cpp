// AdamW with moments in f32, in torch's order of operations or in that of transformers 4.
#include "optim/runs.h"

namespace whisper {
namespace {

class AdamW final : public Optimizer {
 public:
  using Operation = void (Backend::*)(Acc value, Acc m, Acc v, In grad, In scale, AdamwHyper hyper, Out copy);

  AdamW(Backend& backend, Params& params, Operation operation)
      : backend_(backend),
        params_(params),
        operation_(operation),
        runs_(runs_of(params)),
        m_(backend.zeros(params.grads().shape)),
        v_(backend.zeros(params.grads().shape)) {}

  void update(const Hyperparameters& h, const Tensor& scale, int t) override {
    for (const Run& run : runs_) {
      const auto of = [&](const Tensor& states) { return states.part(run.grad, {run.size}); };
      (backend_.*operation_)(run.masters_of(params_), of(m_), of(v_), run.grads_of(params_), scale, run.adamw(h, t),
                             run.copies_of(params_));
    }
  }

  std::vector<StateTensor> state() override {
    std::vector<StateTensor> list;
    for (const Param* p : params_.trained_in_memory_order()) {
      const int64_t at = params_.grad_offset(*p);
      list.push_back({"exp_avg", p, m_.part(at, p->shape)});
      list.push_back({"exp_avg_sq", p, v_.part(at, p->shape)});
    }
    return list;
  }

 private:
  Backend& backend_;
  Params& params_;
  const Operation operation_;
  const std::vector<Run> runs_;
  const Tensor m_, v_;  // one element per element of the gradients
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(Backend& backend, Params& params, const OptimizerOptions& options) {
  const bool hf = options.name == OptimizerOptions::Name::adamw_hf;
  return std::make_unique<AdamW>(backend, params, hf ? &Backend::adamw_hf : &Backend::adamw);
}

}  // namespace whisper
