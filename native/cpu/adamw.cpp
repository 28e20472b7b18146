// AdamW (Loshchilov and Hutter, arXiv:1711.05101) in torch's order of operations (torch/optim/adamw.py, single tensor):
// what depends on the step alone in double, the rest in float. One pass: each element is read and written once.
#include <cmath>

#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/expect.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::adamw(Acc value, Acc m, Acc v, In grad, In scale, AdamwHyper hyper) {
  const auto [lr, beta1, beta2, eps, decay, t] = hyper;
  const cpu::Expect op("adamw");
  const int64_t n = value.shape.size();
  op.flat("value", value, n);
  op.flat("m", m, n);
  op.flat("v", v, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  if (t < 1) fail(Code::InvalidArgument, "adamw: t is ", t, ", expected 1 for the first step");
  const cpu::AdamwStep step{.keep = static_cast<float>(1 - lr * decay),
                            .beta1_rest = static_cast<float>(1 - beta1),
                            .beta2 = static_cast<float>(beta2),
                            .beta2_rest = static_cast<float>(1 - beta2),
                            .step_size = static_cast<float>(lr / (1 - std::pow(beta1, t))),
                            .root = static_cast<float>(std::sqrt(1 - std::pow(beta2, t))),
                            .eps = static_cast<float>(eps)};
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels_.elementwise.adamw(value.as<float>() + begin, m.as<float>() + begin, v.as<float>() + begin,
                               grad.as<float>() + begin, end - begin, scale.as<float>()[0], step);
  });
}

}  // namespace whisper
