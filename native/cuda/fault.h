// What kernels find wrong in the values of operands (a label outside the vocabulary): they cannot throw, so the first
// one leaves a note in device memory (fault.cuh), which synchronize() turns into an InvalidArgument with the CPU's
// words.
#pragma once
#include <cstdint>
#include <string>

namespace whisper::cuda {

// What a fault is, and its numbers.
enum class FaultKind : int32_t {
  none,
  label,           // of the classifier: label, row, vocabulary
  token,           // of embed: token, row, position, rows of the table
  gradient_token,  // of embed_backward: the same
  index,           // of gather: which index, its value, entries
  span             // of mask_spans: which span, its five numbers, and the shape of the features
};

struct Fault {
  int32_t kind;  // a FaultKind
  int32_t numbers[9];
};

std::string words_of(const Fault& fault);

}  // namespace whisper::cuda
