// See failure.h.
#include "cuda/failure.h"

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

}  // namespace whisper::gpu
