// AdamW with moments in 8 bits (Dettmers et al., arXiv:2110.02861), as transformers runs bitsandbytes for
// --optim adamw_bnb_8bit: small tensors and embeddings keep moments in f32.
//
// The blocks of 256 elements begin with each parameter, because parameters begin at multiples of 256 and what is
// between them is zero; so they are bitsandbytes' blocks.
#include "core/dynamic_map.h"
#include "optim/runs.h"

namespace whisper {
namespace {

constexpr int64_t block = 256;
static_assert(Params::alignment % block == 0);

// bitsandbytes' min_8bit_size.
constexpr int64_t fewest_coded = 4096;

class Adamw8bit final : public Optimizer {
 public:
  Adamw8bit(Backend& backend, Params& params, const OptimizerOptions& options)
      : backend_(backend), params_(params), guard_(options.guard_vanished) {
    runs_ = runs_of(params, [&](const Param& p) {
      const bool embedding = p.role == Role::embedding || p.role == Role::positions;
      return p.shape.size() >= fewest_coded && (!embedding || options.eight_bit_embeddings);
    });
    int64_t coded = 0, plain = 0;
    for (const Run& run : runs_) (run.coded ? coded : plain) += run.size;
    for (Moment* moment : {&m_, &v_}) {
      moment->codes = backend.zeros({coded}, DType::U8);
      moment->absmax = backend.zeros({coded / block});
      moment->plain = backend.zeros({plain});
    }
  }

  void update(const Hyperparameters& h, const Tensor& scale, int t) override {
    for (const Run& run : runs_) {
      const Tensor value = run.masters_of(params_), grad = run.grads_of(params_), copy = run.copies_of(params_);
      const AdamwHyper hyper = run.adamw(h, t);
      if (run.coded)
        backend_.adamw_8bit(value, m_.codes.part(run.state, {run.size}), v_.codes.part(run.state, {run.size}),
                            m_.absmax.part(run.state / block, {run.size / block}),
                            v_.absmax.part(run.state / block, {run.size / block}), grad, scale, hyper, guard_, copy);
      else
        backend_.adamw(value, m_.plain.part(run.state, {run.size}), v_.plain.part(run.state, {run.size}), grad, scale,
                       hyper, copy);
    }
  }

  std::vector<StateTensor> state() override {
    std::vector<StateTensor> list;
    for (const Param* p : params_.trained_in_memory_order()) {
      const Run& run = run_of(runs_, params_, *p);
      const int64_t at = run.state + params_.grad_offset(*p) - run.grad;
      list.push_back(part("state1", *p, m_, run.coded, at));
      list.back().is_signed = true;
      list.push_back(part("state2", *p, v_, run.coded, at));
    }
    return list;
  }

 private:
  struct Moment {
    Tensor codes, absmax;  // of the coded runs
    Tensor plain;          // f32, of the others
  };

  static StateTensor part(const char* kind, const Param& p, const Moment& moment, bool coded, int64_t at) {
    if (!coded) return {kind, &p, moment.plain.part(at, p.shape)};
    const int64_t size = Params::aligned(p.shape.size());
    return {kind, &p, moment.codes.part(at, {size}), moment.absmax.part(at / block, {size / block})};
  }

  Backend& backend_;
  Params& params_;
  const bool guard_;
  std::vector<Run> runs_;
  Moment m_, v_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw_8bit(Backend& backend, Params& params, const OptimizerOptions& options) {
  return std::make_unique<Adamw8bit>(backend, params, options);
}

}  // namespace whisper
