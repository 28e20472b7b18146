// AdamW (Loshchilov and Hutter, arXiv:1711.05101) in the orders of operations of torch and of transformers: what
// depends on the step alone in double, the rest in float. One pass: each element is read and written once.
#include "core/adamw_step.h"
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "cpu/value_copy.h"

namespace whisper {
namespace {

void update(const char* name, const cpu::Kernels& kernels, const Acc& value, const Acc& m, const Acc& v, const In& grad,
            const In& scale, const AdamwStep& step, const Out& copy) {
  const Expect op(name);
  const int64_t n = value.shape.size();
  op.flat("value", value, n);
  op.flat("m", m, n);
  op.flat("v", v, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  const cpu::ValueCopy copies(op, kernels.elementwise, copy, value);
  if (scale.as<float>()[0] == 0) return;
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels.optimizer.adamw(value.as<float>() + begin, m.as<float>() + begin, v.as<float>() + begin,
                            grad.as<float>() + begin, end - begin, scale.as<float>()[0], step);
    copies.make(begin, end);
  });
}

}  // namespace

void CpuBackend::adamw(Acc value, Acc m, Acc v, In grad, In scale, AdamwHyper hyper, Out copy) {
  update("adamw", kernels_, value, m, v, grad, scale, adamw_step("adamw", hyper, true), copy);
}

void CpuBackend::adamw_hf(Acc value, Acc m, Acc v, In grad, In scale, AdamwHyper hyper, Out copy) {
  update("adamw_hf", kernels_, value, m, v, grad, scale, adamw_step("adamw_hf", hyper, false), copy);
}

}  // namespace whisper
