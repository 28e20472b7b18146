// The sums of a product that is made in slices of k: one slab of f32 for each slice, and C from all of them.
#pragma once
#include <memory>

#include "cuda/cuda_backend.h"
#include "cuda/epilogue.h"

namespace whisper::cuda {

class Slabs {
 public:
  // Of one slice there are none: its product is C.
  Slabs(CudaBackend& backend, const Product& product, int64_t slices)
      : backend_(backend), product_(product), stored_(product), slices_(slices) {
    if (slices == 1) return;
    const int64_t pitch = slab_pitch(product.n);
    memory_ = backend.allocate(static_cast<size_t>(slices * product.m * pitch) * sizeof(float));
    stored_ = {.m = product.m,
               .n = product.n,
               .k = product.k,
               .a = product.a,
               .b = product.b,
               .c = Rows(memory_.get(), DType::F32, pitch),
               .live = product.live};
  }

  // What kernels make: C, or without any epilogue a matrix of slices · m rows, those of slice s from s · m on.
  const Product& stored() const { return stored_; }

  // Behind them.
  void finish(const char* op) const {
    if (memory_) finish_sums(backend_, op, product_, static_cast<const float*>(memory_.get()), slices_);
  }

 private:
  CudaBackend& backend_;
  const Product& product_;
  Product stored_;
  int64_t slices_;
  std::shared_ptr<void> memory_;
};

}  // namespace whisper::cuda
