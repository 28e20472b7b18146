// See fault.h.
#include "cuda/fault.h"

#include <sstream>

namespace whisper::cuda {

std::string words_of(const Fault& fault) {
  const int32_t* const n = fault.numbers;
  std::ostringstream words;
  switch (static_cast<FaultKind>(fault.kind)) {
    case FaultKind::none:
      break;
    case FaultKind::label:
      words << "classifier: label " << n[0] << " of row " << n[1] << " is not below " << n[2];
      break;
    case FaultKind::token:
    case FaultKind::gradient_token:
      words << (fault.kind == static_cast<int32_t>(FaultKind::token) ? "embed" : "embed_backward") << ": token " << n[0]
            << " at row " << n[1] << ", position " << n[2] << "; the table has " << n[3] << " rows";
      break;
    case FaultKind::index:
      words << "gather: index[" << n[0] << "] is " << n[1] << ", x has " << n[2] << " entries";
      break;
    case FaultKind::span:
      words << "mask_spans: span " << n[0] << " is {" << n[1] << ", " << n[2] << ", " << n[3] << ", " << n[4] << ", "
            << n[5] << "}, outside x [" << n[6] << ", " << n[7] << ", " << n[8] << "]";
      break;
  }
  return words.str();
}

}  // namespace whisper::cuda
