// The norm of a gradient, and the factor that brings it down to the most allowed (torch.nn.utils.clip_grad_norm_).
#include <cmath>
#include <vector>

#include "core/expect.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

// One sum in double per 64 Ki elements, added up in their order: the same bits for any number of threads.
void CpuBackend::norm(Out norm, In x) {
  constexpr int64_t chunk = 1 << 16;
  const Expect op("norm");
  const int64_t n = x.shape.size();
  op.flat("x", x, n);
  op.flat("norm", norm, 1);
  std::vector<double> sums(static_cast<size_t>((n + chunk - 1) / chunk));
  cpu::parallel_for(n, chunk, [&](int64_t begin, int64_t end) {
    sums[static_cast<size_t>(begin / chunk)] = kernels_.elementwise.sum_of_squares(x.as<float>() + begin, end - begin);
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  norm.as<float>()[0] = static_cast<float>(std::sqrt(total));
}

void CpuBackend::clip_scale(Out scale, In norm, In losses, float max_norm, float multiplied) {
  const Expect op("clip_scale");
  op.flat("norm", norm, 1);
  op.flat("scale", scale, 1);
  if (losses) op.flat("losses", losses, losses.shape.size());
  bool finite = std::isfinite(norm.as<float>()[0]);
  for (int64_t i = 0; losses && i < losses.shape.size(); ++i) finite = finite && std::isfinite(losses.as<float>()[i]);
  const float inverse = static_cast<float>(1 / static_cast<double>(multiplied));
  const float most = max_norm / (norm.as<float>()[0] * inverse + 1e-6f);
  const float factor = inverse * (max_norm == 0 || most > 1 ? 1 : most);
  scale.as<float>()[0] = finite && std::isnormal(factor) ? factor : 0;
}

}  // namespace whisper
