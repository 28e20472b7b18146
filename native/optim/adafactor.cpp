// Adafactor (Shazeer and Stern, arXiv:1804.04235) as transformers runs it for --optim adafactor: the squared gradient's
// mean is kept as its mean over rows and over columns. One call per parameter, because the update is divided by the
// root mean square of the whole of it.
#include "optim/optimizer.h"

namespace whisper {
namespace {

class Adafactor final : public Optimizer {
 public:
  Adafactor(Backend& backend, Params& params) : backend_(backend) {
    for (const Param* p : params.trained_in_memory_order()) {
      const Shape s = factored(*p);
      if (s.rank == 1)
        moments_.push_back({p, {}, backend.zeros(s)});
      else if (s.rank == 2)
        moments_.push_back({p, backend.zeros({s[0]}), backend.zeros({s[1]})});
      else
        moments_.push_back({p, backend.zeros({s[0], s[1]}), backend.zeros({s[0], s[2]})});
    }
  }

  void update(const Hyperparameters& h, const Tensor& scale, int t) override {
    for (const auto& [p, row, column] : moments_)
      backend_.adafactor(p->master.reshaped(factored(*p)), row, column, p->grad.reshaped(factored(*p)), scale,
                         {.lr = h.rate(p->part), .decay = p->decay() ? h.weight_decay : 0, .t = t},
                         p->copied() ? p->value : Tensor());
  }

  std::vector<StateTensor> state() override {
    std::vector<StateTensor> list;
    for (const auto& [p, row, column] : moments_) {
      const bool swapped = p->layout != Layout::same;
      if (!row) {
        list.push_back({"exp_avg_sq", p, column});
      } else {
        list.push_back({"exp_avg_sq_row", p, swapped ? column : row});
        list.push_back({"exp_avg_sq_col", p, swapped ? row : column});
      }
    }
    return list;
  }

 private:
  // The formula is symmetric in rows and columns. A convolution's weight, [out, in, 3] in torch, is [out, 3, in] here,
  // so that its rows are torch's columns; so are those of what lies transposed.
  static Shape factored(const Param& p) {
    return p.layout == Layout::taps ? Shape{p.shape[0], 3, p.shape[1] / 3} : p.shape;
  }

  struct Moments {
    const Param* param;
    Tensor row, column;  // of a vector there is no row
  };
  Backend& backend_;
  std::vector<Moments> moments_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(Backend& backend, Params& params, const OptimizerOptions&) {
  return std::make_unique<Adafactor>(backend, params);
}

}  // namespace whisper
