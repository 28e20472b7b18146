// See gemm_choice.h.
#include "cuda/gemm_choice.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/gemm_cublaslt.h"
#include "cuda/timer.h"

namespace whisper::cuda {
namespace {

// A product that fills tiles of warpgroups. Smaller ones leave most of a tile empty, and mma.sync has tiles for them.
bool is_large(const Product& p) { return p.m >= 128 && p.n >= 128 && p.k >= 64; }

using Candidates = std::span<const GemmCandidate* const>;

// The first that can is taken; of `Fastest`, the first of equals.
Candidates in_order(CudaBackend& backend, const Product& p, GemmChoice choice) {
  static constexpr const GemmCandidate* without_warpgroups[] = {&gemm_few_rows, &gemm_mma, &gemm_f32};
  static constexpr const GemmCandidate* warpgroups_first[] = {&gemm_wgmma, &gemm_few_rows, &gemm_mma, &gemm_f32};
  static constexpr const GemmCandidate* library_first[] = {&gemm_cublaslt, &gemm_few_rows, &gemm_mma, &gemm_f32};
  static constexpr const GemmCandidate* all[] = {&gemm_few_rows, &gemm_wgmma, &gemm_mma, &gemm_f32, &gemm_cublaslt};
  if (choice == GemmChoice::Wgmma || (choice == GemmChoice::Rule && is_large(p))) return warpgroups_first;
  if (choice == GemmChoice::Cublaslt) {
    if (const std::string why = why_not_cublaslt(backend); !why.empty())
      fail(Code::DeviceUnavailable, "WHISPER_TUNE_CUDA_GEMM=cublaslt: ", why);
    return library_first;
  }
  if (choice == GemmChoice::Fastest) return Candidates(all).first(why_not_cublaslt(backend).empty() ? 5 : 4);
  return without_warpgroups;
}

// What the time of a product depends on.
using Key = std::tuple<std::string, DType, DType, int, int64_t, int64_t, int64_t, int>;
Key key_of(CudaBackend& backend, const Product& p) {
  const int form = p.a.direction * 2 + p.b.direction;
  const int beside =
      (p.bias != nullptr) | p.add << 1 | bool(p.gelu) << 2 | bool(p.gelu_input) << 3 | (p.live != nullptr) << 4;
  return {backend.device().properties().device, p.a.rows.dtype, p.c.dtype, form, p.m, p.n, p.k, beside};
}

double milliseconds(CudaBackend& backend, const char* op, const GemmCandidate& candidate, const Product& p) {
  constexpr int runs = 5;
  candidate.run(backend, op, p);
  const gpu::Device::Mark begin = backend.device().mark();
  backend.device().wait(begin);  // where work is put together into graphs, what follows is another one
  for (int i = 0; i < runs; ++i) candidate.run(backend, op, p);
  const gpu::Device::Mark end = backend.device().mark();
  backend.device().wait(end);
  return gpu::milliseconds(begin, end) / runs;
}

// What is made for the time it takes goes to memory of its own: C may be added to only once.
const GemmCandidate& fastest(CudaBackend& backend, const char* op, const Product& p, Candidates candidates) {
  Product trial = p;
  std::vector<std::shared_ptr<void>> memory;
  for (Rows* rows : {&trial.c, &trial.gelu})
    if (*rows) {
      const int64_t stride = (p.n + 7) / 8 * 8;
      memory.push_back(backend.allocate(static_cast<size_t>(p.m * stride) * size_of(rows->dtype)));
      backend.zero(memory.back().get(), static_cast<size_t>(p.m * stride) * size_of(rows->dtype));
      *rows = Rows(memory.back().get(), rows->dtype, stride);
    }
  const GemmCandidate* best = nullptr;
  double least = 0;
  for (const GemmCandidate* candidate : candidates) {
    if (!candidate->supports(backend.device().properties(), p)) continue;
    const double time = milliseconds(backend, op, *candidate, trial);
    if (!best || time < least) best = candidate, least = time;
  }
  return *best;
}

}  // namespace

GemmChoice gemm_choice() {
  static const GemmChoice choice = [] {
    const char* const text = std::getenv("WHISPER_TUNE_CUDA_GEMM");
    const std::string word = text && *text ? text : "rule";
    for (const auto& [name, choice] : {std::pair{"rule", GemmChoice::Rule},
                                       {"mma", GemmChoice::Mma},
                                       {"wgmma", GemmChoice::Wgmma},
                                       {"cublaslt", GemmChoice::Cublaslt},
                                       {"fastest", GemmChoice::Fastest}})
      if (word == name) return choice;
    fail(Code::InvalidArgument, "WHISPER_TUNE_CUDA_GEMM: expected rule, mma, wgmma, cublaslt or fastest, got \"", word,
         "\"");
  }();
  return choice;
}

const GemmCandidate& choose_candidate(CudaBackend& backend, const char* op, const Product& p, GemmChoice choice) {
  static std::mutex mutex;
  static std::map<Key, const GemmCandidate*> timed;
  if (choice == GemmChoice::Fastest) {
    const std::lock_guard lock(mutex);
    const GemmCandidate*& best = timed[key_of(backend, p)];
    // What it was timed with may have been aligned when this is not.
    if (best && best->supports(backend.device().properties(), p)) return *best;
    const GemmCandidate& found = fastest(backend, op, p, in_order(backend, p, choice));
    if (!best) best = &found;
    return found;
  }
  for (const GemmCandidate* candidate : in_order(backend, p, choice))
    if (candidate->supports(backend.device().properties(), p)) return *candidate;
  fail(Code::InvalidArgument, op, ": no kernel makes a product of this form and of ", name_of(p.a.rows.dtype));
}

}  // namespace whisper::cuda
