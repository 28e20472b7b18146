// From an element type known at run time to a template's argument:
//
//     typed(x.dtype, [&](auto element) { using T = decltype(element); launch(…, kernel<T>, …); });
#pragma once
#include "core/dtype.h"
#include "core/half.h"

namespace whisper::cuda {

// f32, f16 or bf16.
template <class F>
void typed(DType type, F f) {
  if (type == DType::F16)
    f(f16{});
  else if (type == DType::BF16)
    f(bf16{});
  else
    f(float{});
}

// f32 or `half`, which is what an operand marked °° may be.
template <class T, class F>
void typed_or_f32(DType type, F f) {
  if (type == DType::F32)
    f(float{});
  else
    f(T{});
}

}  // namespace whisper::cuda
