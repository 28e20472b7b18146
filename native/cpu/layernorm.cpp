// Layer normalisation (Ba et al., arXiv:1607.06450): y = x̂·w + b with x̂ = (x - mean)·rstd, and its gradients.
#include <algorithm>
#include <cstring>

#include "core/expect.h"
#include "core/workspace.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::layernorm(Out y, Out mean, Out rstd, In x, In weight, In bias) {
  const Expect op("layernorm");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  op.dense("x", x, rows, width);
  op.dense("y", y, rows, width, op.compute("y", y));
  op.flat("mean", mean, rows);
  op.flat("rstd", rstd, rows);
  op.flat("weight", weight, width);
  op.flat("bias", bias, width);
  cpu::parallel_for(rows, cpu::chunk_rows(width), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.rows.layernorm(cpu::row_of(y, r), mean.as<float>() + r, rstd.as<float>() + r, x.row_of<float>(r),
                              weight.as<float>(), bias.as<float>(), width);
  });
}

void CpuBackend::layernorm_backward(Acc dx, Acc dweight, Acc dbias, In dy, In x, In mean, In rstd, In weight) {
  const Expect op("layernorm_backward");
  const int64_t rows = x.shape.rows(), width = x.shape.width();
  op.dense("x", x, rows, width);
  op.dense("dy", dy, rows, width, op.compute("dy", dy));
  op.dense("dx", dx, rows, width);
  op.flat("mean", mean, rows);
  op.flat("rstd", rstd, rows);
  op.flat("weight", weight, width);
  if (dweight) op.flat("dweight", dweight, width);
  if (dbias) op.flat("dbias", dbias, width);

  const LayernormShares space(rows);
  const auto shares = [&](const Acc& sum) -> std::shared_ptr<float> {  // [count, width]
    if (!sum) return nullptr;
    return std::static_pointer_cast<float>(allocate(space.bytes(width)));
  };
  const auto weight_shares = shares(dweight), bias_shares = shares(dbias);

  cpu::parallel_for(rows, space.rows, [&](int64_t begin, int64_t end) {
    const auto share_of = [&](const std::shared_ptr<float>& all) -> float* {
      if (!all) return nullptr;
      float* share = all.get() + begin / space.rows * width;
      std::memset(share, 0, static_cast<size_t>(width) * sizeof(float));
      return share;
    };
    float *const dw = share_of(weight_shares), *const db = share_of(bias_shares);
    for (int64_t r = begin; r < end; ++r) {
      const float mu = mean.as<float>()[r], scale = rstd.as<float>()[r];
      const cpu::ConstFloats g = cpu::row_of(dy, r);
      const float* row = x.row_of<float>(r);
      kernels_.rows.layernorm_dx(dx.row_of<float>(r), g, row, mu, scale, weight.as<float>(), width);
      if (dw || db) kernels_.rows.layernorm_dweight(dw, db, g, row, mu, scale, width);
    }
  });
  if (space.count == 0) return;

  const auto add_up = [&](const Acc& sum, const std::shared_ptr<float>& all) {
    if (!sum) return;
    cpu::parallel_for(width, 256, [&](int64_t begin, int64_t end) {
      float* total = all.get() + begin;
      for (int64_t c = 1; c < space.count; ++c) kernels_.elementwise.add(total, total, total + c * width, end - begin);
      float* to = sum.as<float>() + begin;
      kernels_.elementwise.add(to, to, total, end - begin);
    });
  };
  add_up(dweight, weight_shares);
  add_up(dbias, bias_shares);
}

}  // namespace whisper
