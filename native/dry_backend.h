// Runs nothing and counts bytes: the schedule of a training step on it tells, in milliseconds, what memory the real one
// takes. What operations take from the pool for themselves while they run is counted as that kind of device takes it
// (core/workspace.h); the packed panels of the CPU's threads, some megabytes that are kept, are not, nor the slabs of a
// GPU's products that are made in slices, some tens of megabytes for a moment (cuda/slabs.h).
#pragma once
#include <algorithm>

#include "backend.h"
#include "core/workspace.h"

namespace whisper {

// Operations that do nothing.
class IdleBackend : public Backend {
 public:
#define OP(name, ...) \
  void name(__VA_ARGS__) override {}
#include "ops.def"
#undef OP
};

class DryBackend final : public IdleBackend {
 public:
  explicit DryBackend(DeviceKind kind = DeviceKind::cpu) : kind_(kind) {}
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
  void fast_products() override {}

  void classifier(Out, Out, Acc, In x, In, In weight, float, float) override {
    borrow(ClassifierChunk(kind_, x.shape.rows(), weight.shape.rows(), x.shape.width(), x.dtype).bytes());
  }
  void layernorm_backward(Acc, Acc dweight, Acc dbias, In, In x, In, In, In) override {
    const size_t shares = (dweight ? 1 : 0) + (dbias ? 1 : 0);
    borrow(shares * LayernormShares(x.shape.rows()).bytes(x.shape.width()));
  }
  void adafactor(Acc value, Acc, Acc, In, In, AdafactorHyper, Out) override {
    borrow(kind_ == DeviceKind::gpu ? AdafactorTiles(value.shape).bytes() : AdafactorParts(value.shape).bytes());
  }
  void attention_backward(Out, Out, Out, In d_o, In, In, In, In, In, int heads, bool, Dropout) override {
    if (kind_ == DeviceKind::gpu) borrow(2 * static_cast<size_t>(d_o.shape.rows() * heads) * sizeof(float));
  }
  void norm(Out, In x) override {
    if (kind_ == DeviceKind::gpu) borrow(NormShares(x.shape.size()).bytes());
  }
  // The most that one operation took for itself.
  size_t workspace_bytes() const { return workspace_; }

 private:
  struct Counts {
    size_t live = 0, peak = 0;
  };
  void borrow(size_t bytes) {
    allocate(bytes);
    workspace_ = std::max(workspace_, bytes);
  }

  const DeviceKind kind_;
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  size_t workspace_ = 0;
};

}  // namespace whisper
