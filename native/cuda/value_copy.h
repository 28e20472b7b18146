// The copy of updated values in the compute dtype, which every optimizer stores beside the values.
#pragma once
#include "core/expect.h"
#include "cuda/typed.h"

namespace whisper::cuda {

// f(address of the copy), which is typed; null where the copy is absent.
template <class F>
void with_copy(const Expect& op, const Out& copy, const Acc& value, F f) {
  if (copy) op.flat("copy", copy, value.shape.size(), op.compute("copy", copy));
  typed(copy ? copy.dtype : DType::F32, [&](auto element) { f(copy.as<decltype(element)>()); });
}

}  // namespace whisper::cuda
