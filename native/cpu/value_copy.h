// The copy of updated values in the compute dtype, made by every optimizer while the values are in its cache.
#pragma once
#include "core/expect.h"
#include "cpu/kernels.h"

namespace whisper::cpu {

class ValueCopy {
 public:
  // An absent copy is not made.
  ValueCopy(const Expect& op, const ElementwiseKernels& kernels, const Out& copy, const Acc& value)
      : kernels_(kernels), copy_(copy), value_(value) {
    if (copy) op.flat("copy", copy, value.shape.size(), op.compute("copy", copy));
  }

  // Of elements [begin, end), which are as they shall be.
  void make(int64_t begin, int64_t end) const {
    if (copy_) kernels_.cast(Floats(copy_.address, copy_.dtype) + begin, value_.as<float>() + begin, end - begin);
  }

 private:
  const ElementwiseKernels& kernels_;
  const Out& copy_;
  const Acc& value_;
};

}  // namespace whisper::cpu
