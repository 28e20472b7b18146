// AdamW with moments in 8 bits, in blocks of 256 elements (Dettmers et al., arXiv:2110.02861).
//
// As bitsandbytes' kOptimizerStatic8bit2StateBlockwise, but for: the order of weight decay and the place of 1 - β,
// which are torch's; blocks of zeros, which have the code of zero; and gradients whose square overflows f32, which
// count as not finite and so cannot spoil their block. Division is IEEE's, and products and sums are not fused: the
// same codes on every machine.
#include "core/adamw_step.h"
#include "core/expect.h"
#include "core/nearest_code.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "cpu/value_copy.h"

namespace whisper {

void CpuBackend::adamw_8bit(Acc value, Acc m, Acc v, Acc m_absmax, Acc v_absmax, In grad, In scale, AdamwHyper hyper,
                            bool guard, Out copy) {
  static_assert(cpu::chunk_elements % code_block == 0);
  const Expect op("adamw_8bit");
  const int64_t n = value.shape.size(), blocks = (n + code_block - 1) / code_block;
  op.flat("value", value, n);
  op.flat("m", m, n, DType::U8);
  op.flat("v", v, n, DType::U8);
  op.flat("m_absmax", m_absmax, blocks);
  op.flat("v_absmax", v_absmax, blocks);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  const cpu::ValueCopy copies(op, kernels_.elementwise, copy, value);
  const AdamwStep step = adamw_step("adamw_8bit", hyper, true);
  if (scale.as<float>()[0] == 0) return;
  cpu::parallel_for(n, cpu::chunk_elements, [&](int64_t begin, int64_t end) {
    const int64_t block = begin / code_block;
    kernels_.optimizer.adamw_8bit(value.as<float>() + begin, m.as<uint8_t>() + begin, v.as<uint8_t>() + begin,
                                  m_absmax.as<float>() + block, v_absmax.as<float>() + block, grad.as<float>() + begin,
                                  end - begin, scale.as<float>()[0], step, guard);
    copies.make(begin, end);
  });
}

}  // namespace whisper
