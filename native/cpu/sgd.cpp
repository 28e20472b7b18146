// Stochastic gradient descent without momentum (torch/optim/sgd.py).
#include "core/expect.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "cpu/value_copy.h"

namespace whisper {

void CpuBackend::sgd(Acc value, In grad, In scale, double lr, double decay, Out copy) {
  const Expect op("sgd");
  const int64_t n = value.shape.size();
  op.flat("value", value, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  const cpu::ValueCopy copies(op, kernels_.elementwise, copy, value);
  if (scale.as<float>()[0] == 0) return;
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    kernels_.optimizer.sgd(value.as<float>() + begin, grad.as<float>() + begin, end - begin, scale.as<float>()[0],
                           static_cast<float>(lr), static_cast<float>(decay));
    copies.make(begin, end);
  });
}

}  // namespace whisper
