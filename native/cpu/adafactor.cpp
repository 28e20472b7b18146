// Adafactor (Shazeer and Stern, arXiv:1804.04235) as transformers has it with scale_parameter and relative_step off
// (optimization.py: Adafactor.step). The update U is not kept but computed again: a pass over the gradient for the
// means of its squares, one for RMS(U), which takes all of the tensor, and one that changes the value.
#include <cmath>
#include <numeric>

#include "core/expect.h"
#include "core/workspace.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"
#include "cpu/value_copy.h"

namespace whisper {
namespace {

// f(part, matrix, row, end) for the rows of every part, parts and rows counted through all matrices.
template <class Body>
void each_part(const AdafactorParts& all, Body f) {
  const int64_t chunk = cpu::chunk_rows(std::min(all.rows, all.height) * all.width);
  cpu::parallel_for(all.matrices * all.count, chunk, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t matrix = part / all.count, row = part % all.count * all.rows;
      f(part, matrix, matrix * all.height + row, matrix * all.height + std::min(row + all.rows, all.height));
    }
  });
}

// f(column, sum) for the sums of `rows` rows of `width`, added up in double in their order.
template <class Body>
void sum_columns(const float* x, int64_t rows, int64_t width, Body f) {
  constexpr int64_t some = 64;
  for (int64_t begin = 0; begin < width; begin += some) {
    const int64_t n = std::min(some, width - begin);
    double sums[some] = {};
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i) sums[i] += x[r * width + begin + i];
    for (int64_t i = 0; i < n; ++i) f(begin + i, sums[i]);
  }
}

}  // namespace

void CpuBackend::adafactor(Acc value, Acc row, Acc column, In grad, In scale, AdafactorHyper hyper, Out copy) {
  const Expect op("adafactor");
  const bool is_factored = value.shape.rank >= 2;
  const AdafactorParts all(value.shape);
  const int64_t n = value.shape.size(), height = all.height, width = all.width, parts = all.matrices * all.count;
  op.flat("value", value, n);
  op.flat("grad", grad, n);
  op.flat("scale", scale, 1);
  op.flat("column", column, all.matrices * width);
  if (is_factored) op.flat("row", row, all.matrices * height);
  if (!is_factored && row) fail(Code::InvalidArgument, "adafactor: row ", row.shape, ", expected none of a vector");
  if (hyper.t < 1) fail(Code::InvalidArgument, "adafactor: t is ", hyper.t, ", expected 1 for the first step");
  const cpu::ValueCopy copies(op, kernels_.elementwise, copy, value);
  if (n == 0 || scale.as<float>()[0] == 0) return;

  const std::shared_ptr<void> memory = allocate(all.bytes());
  double* const means = static_cast<double*>(memory.get());                       // of the rows of a matrix
  double* const norms = means + all.matrices;                                     // Σ U² of a part
  float* const partial = static_cast<float*>(static_cast<void*>(norms + parts));  // [part, width]
  float* const factors = partial + parts * width;                                 // 1 / √column
  const float g_scale = scale.as<float>()[0];
  const float* const g = grad.as<float>();
  const double beta2 = 1 - std::pow(hyper.t, hyper.decay_rate);
  const auto average = [&](float& state, double mean) {
    state = static_cast<float>(beta2 * state + (1 - beta2) * (mean + hyper.eps));
  };

  each_part(all, [&](int64_t part, int64_t, int64_t begin, int64_t end) {
    float sums[AdafactorParts::rows], *const columns = partial + part * width;
    std::fill_n(columns, width, 0.0f);
    kernels_.optimizer.square_sums(sums, columns, g + begin * width, end - begin, width, g_scale);
    for (int64_t r = begin; is_factored && r < end; ++r)
      average(row.as<float>()[r], static_cast<double>(sums[r - begin]) / static_cast<double>(width));
  });
  cpu::parallel_for(all.matrices, cpu::chunk_rows(height + all.count * width), [&](int64_t begin, int64_t end) {
    for (int64_t matrix = begin; matrix < end; ++matrix) {
      const float* const rows = row.as<float>() + matrix * height;
      means[matrix] = is_factored ? std::accumulate(rows, rows + height, 0.0) / static_cast<double>(height) : 1;
      float *const state = column.as<float>() + matrix * width, *const factor = factors + matrix * width;
      sum_columns(partial + matrix * all.count * width, all.count, width, [&](int64_t c, double sum) {
        average(state[c], sum / static_cast<double>(height));
        factor[c] = 1 / std::sqrt(state[c]);
      });
    }
  });

  // What a row of grad·factors is to be multiplied by for U.
  const auto row_factor = [&](int64_t matrix, int64_t r) {
    return g_scale * (is_factored ? std::sqrt(means[matrix] / row.as<float>()[r]) : 1);
  };
  each_part(all, [&](int64_t part, int64_t matrix, int64_t begin, int64_t end) {
    norms[part] = 0;
    for (int64_t r = begin; r < end; ++r) {
      const double f = row_factor(matrix, r);
      norms[part] += f * f * kernels_.optimizer.scaled_square_sum(g + r * width, factors + matrix * width, width);
    }
  });
  const double rms = std::sqrt(std::accumulate(norms, norms + parts, 0.0) / static_cast<double>(n));
  const double size = hyper.lr / std::max(1.0, rms / hyper.clip_threshold);
  const auto decay = static_cast<float>(hyper.lr * hyper.decay);
  each_part(all, [&](int64_t, int64_t matrix, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      kernels_.optimizer.adafactor(value.as<float>() + r * width, g + r * width, factors + matrix * width, width,
                                   static_cast<float>(size * row_factor(matrix, r)), decay);
    copies.make(begin * width, end * width);
  });
}

}  // namespace whisper
