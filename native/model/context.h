// What a layer needs to run: where, what to remember, and who looks on.
#pragma once
#include <functional>
#include <string>

#include "backend.h"
#include "core/cancel.h"
#include "model/tape.h"

namespace whisper {

struct Context {
  Backend& backend;
  Tape tape{};
  bool checkpointing = false;                                         // of blocks (model/checkpointing.h)
  std::function<void(const std::string&, const Tensor&)> observer{};  // for parity tests
  const Cancel* cancel = nullptr;                                     // asked between blocks

  // Activations inside a branch are stored in the compute dtype; the residual stream and its gradient in f32.
  Tensor activation(Shape shape) { return backend.empty(shape); }
  Tensor like(const Tensor& t) { return backend.empty(t.shape, t.dtype); }
  Tensor zeros_like(const Tensor& t) { return backend.zeros(t.shape, t.dtype); }
  Tensor rows(const Tensor& t) { return backend.empty({t.shape.rows()}); }  // one f32 per row of t

  Tensor add(const Tensor& x, const Tensor& y) {
    Tensor z = backend.empty(x.shape);
    backend.add(z, x, y);
    return z;
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
