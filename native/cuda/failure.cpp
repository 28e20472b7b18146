// See failure.h.
#include "cuda/failure.h"

#include <cstdlib>

#include "core/error.h"

namespace whisper::gpu {

void Failure::report(const std::string& error, const char* op, bool lasts) {
  if (!lasts) fail(Code::DeviceFailed, device_, ": ", op, ": ", error);
  const std::string where = one_by_one_ ? std::string(" in ") + op
                                        : std::string(" in an operation that is not known (it was found by ") + op +
                                              "); WHISPER_TUNE_CUDA_SYNC=1 names it, and makes everything slower";
  lasting_ = device_ + " failed: " + error + where;
  fail(Code::DeviceFailed, lasting_, "; this process can use the GPU no more");
}

void Failure::check() const {
  if (!lasting_.empty())
    fail(Code::DeviceFailed, "this process can use the GPU no more, because of what happened before: ", lasting_);
}

bool waits_for_each_operation() {
  const char* const text = std::getenv("WHISPER_TUNE_CUDA_SYNC");
  const std::string value = text ? text : "0";
  if (value != "0" && value != "1" && !value.empty())
    fail(Code::InvalidArgument, "WHISPER_TUNE_CUDA_SYNC: expected 0 or 1, got \"", value, "\"");
  return value == "1";
}

}  // namespace whisper::gpu
