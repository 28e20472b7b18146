// AdamW over flat buffers.
#include "core/error.h"
#include "optim/optimizer.h"

namespace whisper {
namespace {

class AdamW final : public Optimizer {
 public:
  AdamW(Backend& backend, Params& params) : backend_(backend), params_(params) {
    const Shape shape = params.grads().shape;
    m_ = backend.zeros(shape);
    v_ = backend.zeros(shape);
  }

  void update(const Hyperparameters& h, const Tensor& scale, int t) override {
    for (const Param* p : params_.trained_in_memory_order()) {
      const int64_t at = params_.grad_offset(*p), size = Params::aligned(p->shape.size());
      const double rate = p->part == Part::encoder ? h.encoder_rate : h.decoder_rate;
      backend_.adamw(params_.masters().part(params_.master_offset(*p), {size}), m_.part(at, {size}),
                     v_.part(at, {size}), params_.grads().part(at, {size}), scale,
                     {rate, h.beta1, h.beta2, h.epsilon, p->decay() ? h.weight_decay : 0, t});
    }
  }

  std::vector<StateTensor> state() override {
    std::vector<StateTensor> list;
    for (const Param& p : params_.list()) {
      if (!p.grad) continue;
      list.push_back({"exp_avg", &p, m_.part(params_.grad_offset(p), p.shape)});
      list.push_back({"exp_avg_sq", &p, v_.part(params_.grad_offset(p), p.shape)});
    }
    return list;
  }

 private:
  Backend& backend_;
  Params& params_;
  Tensor m_, v_;
};

}  // namespace

std::unique_ptr<Optimizer> make_optimizer(Backend& backend, Params& params, const OptimizerOptions& options) {
  if (options.name != OptimizerOptions::Name::adamw_torch)
    fail(Code::InvalidArgument, "optimizer: only adamw_torch is there");
  return std::make_unique<AdamW>(backend, params);
}

}  // namespace whisper
