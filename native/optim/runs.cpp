// See runs.h.
#include "optim/runs.h"

#include <algorithm>

namespace whisper {

std::vector<Run> runs_of(Params& params, const std::function<bool(const Param&)>& coded) {
  std::vector<Run> runs;
  int64_t states[2] = {0, 0};
  for (const Param* p : params.trained_in_memory_order()) {
    Run next{.part = p->part,
             .decays = p->decay(),
             .coded = coded && coded(*p),
             .copied = p->copied(),
             .size = Params::aligned(p->shape.size()),
             .master = params.master_offset(*p),
             .grad = params.grad_offset(*p),
             .copy = p->copied() ? params.copy_offset(*p) : 0,
             .state = 0};
    int64_t& state = states[next.coded];
    next.state = state;
    state += next.size;
    const auto goes_on = [&](const Run& last) {
      return last.part == next.part && last.decays == next.decays && last.coded == next.coded &&
             last.copied == next.copied && (!next.copied || last.copy + last.size == next.copy) &&
             last.master + last.size == next.master && last.end() == next.grad;
    };
    if (!runs.empty() && goes_on(runs.back()))
      runs.back().size += next.size;
    else
      runs.push_back(next);
  }
  return runs;
}

const Run& run_of(const std::vector<Run>& runs, const Params& params, const Param& p) {
  const int64_t at = params.grad_offset(p);
  return *std::find_if(runs.begin(), runs.end(), [&](const Run& run) { return at < run.end(); });
}

}  // namespace whisper
