// What a layer needs to run: where, in which dtype, what to remember, what to drop, and who looks on.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "backend.h"
#include "core/cancel.h"
#include "model/checkpointing.h"
#include "model/tape.h"

namespace whisper {

// What training leaves out at random, as config.json has it: shares of branch outputs and embeddings, of attention's
// probabilities, of a perceptron's activations, and of whole blocks (LayerDrop, arXiv:1909.11556).
struct Regularization {
  float dropout = 0, attention_dropout = 0, activation_dropout = 0;
  float encoder_layerdrop = 0, decoder_layerdrop = 0;
};

struct Context {
  Backend& backend;
  DType compute = DType::F32;
  Tape tape{};
  Checkpointing checkpointing{};
  Regularization rates{};
  std::optional<uint64_t> key{};                                      // of a micro-batch's random numbers, in training
  std::function<void(const std::string&, const Tensor&)> observer{};  // for parity tests
  const Cancel* cancel = nullptr;                                     // asked between blocks

  // Activations inside a branch are stored in the compute dtype; the residual stream, its gradient and other sums in
  // f32.
  Tensor activation(Shape shape) { return backend.empty(shape, compute); }
  Tensor zero_activation(Shape shape) { return backend.zeros(shape, compute); }
  Tensor residual(Shape shape) { return backend.empty(shape); }
  Tensor zero_residual(Shape shape) { return backend.zeros(shape); }
  Tensor like(const Tensor& t) { return backend.empty(t.shape, t.dtype); }
  Tensor rows(const Tensor& t) { return backend.empty({t.shape.rows()}); }  // one f32 per row of t

  // x in the compute dtype: x itself where it is.
  Tensor in_compute(const Tensor& x) {
    if (x.dtype == compute) return x;
    Tensor y = activation(x.shape);
    backend.cast(y, x);
    return y;
  }

  // x + y on the residual stream
  Tensor add(const Tensor& x, const Tensor& y) {
    Tensor z = residual(x.shape);
    backend.add(z, x, y);
    return z;
  }

  // make(), which is called again on the way back where the checkpointing policy says so, instead of keeping its
  // result.
  template <class F>
  Tensor recomputable(F make) {
    return recomputable(make(), make);
  }
  template <class F>
  Tensor recomputable(Tensor t, F make) {  // that make() would give
    if (checkpointing.policy == Checkpointing::Policy::selective && tape.recording())
      t.recipe = std::make_shared<Recipe>(std::move(make), t);
    return t;
  }

  // Dropout at a place in the model; none outside training. A place's choices are the same whenever it is asked.
  Dropout dropout(float rate, uint64_t place) const { return key ? Dropout{rate, *key, place} : Dropout{}; }
  Tensor dropped(const Tensor& x, const Dropout& how) {
    if (!how) return x;
    Tensor y = like(x);
    backend.dropout(y, x, how);
    return y;
  }
  // The gradient that a residual branch gets: dx in the compute dtype, where the branch's result was kept.
  Tensor into_branch(const Tensor& dx, const Dropout& how) {
    if (!how) return in_compute(dx);
    Tensor dy = activation(dx.shape);
    backend.dropout(dy, dx, how);
    return dy;
  }
  // Whether LayerDrop leaves out the block at this place.
  bool skips(float rate, uint64_t place) const {
    const Dropout how = dropout(rate, place);
    return how && how.numbers(0)[0] < how.threshold();
  }

  // Throws Cancelled when the caller has asked for it. What was on the way is lost; parameters are as they were.
  void check_cancel() const {
    if (cancel) cancel->check();
  }

  void observe(const std::string& name, const Tensor& t) {
    if (observer) observer(name, t);
  }
};

}  // namespace whisper
