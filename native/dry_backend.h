// Runs nothing and counts bytes: the schedule of a training step on it tells, in milliseconds, what memory the real one
// takes. What an operation allocates for itself while it runs is the affair of the back end that runs it, and is not
// counted: on the CPU some megabytes, freed before the operation returns.
#pragma once
#include <algorithm>

#include "backend.h"

namespace whisper {

class DryBackend final : public Backend {
 public:
  std::string name() const override { return "dry"; }

  // Blocks have an address, so that their views are not absent, but no memory. The counts outlive the back end.
  std::shared_ptr<void> allocate(size_t bytes) override {
    counts_->live += bytes;
    counts_->peak = std::max(counts_->peak, counts_->live);
    return {counts_.get(), [counts = counts_, bytes](void*) { counts->live -= bytes; }};
  }
  void upload(void*, const void*, size_t) override {}
  void download(void*, const void*, size_t) override {}
  void zero(void*, size_t) override {}
  void copy(void*, const void*, size_t) override {}
  void synchronize() override {}
  size_t live_bytes() const override { return counts_->live; }
  size_t peak_bytes() const override { return counts_->peak; }
  void reset_peak() override { counts_->peak = counts_->live; }
  void limit_bytes(size_t) override {}

#define OP(name, ...) \
  void name(__VA_ARGS__) override {}
#include "ops.def"
#undef OP

 private:
  struct Counts {
    size_t live = 0, peak = 0;
  };
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

}  // namespace whisper
