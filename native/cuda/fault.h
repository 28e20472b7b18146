// What kernels find wrong in the values of operands (a label outside the vocabulary): they cannot throw, so the first
// one leaves a note in device memory, which synchronize() turns into an InvalidArgument.
#pragma once
#include <cstdint>

namespace whisper::cuda {

enum class FaultKind : int32_t { none, label, token, index };

struct Fault {
  FaultKind kind;
  int32_t value, row, limit;  // "label `value` of row `row` is not below `limit`"
};

}  // namespace whisper::cuda
