// See settings.h.
#include "cuda/settings.h"

#include <cstdlib>
#include <string>

#include "core/error.h"

namespace whisper::gpu {
namespace {

bool is_on(const char* variable) {
  const char* const text = std::getenv(variable);
  const std::string value = text ? text : "0";
  if (value != "0" && value != "1" && !value.empty())
    fail(Code::InvalidArgument, variable, ": expected 0 or 1, got \"", value, "\"");
  return value == "1";
}

}  // namespace

bool waits_for_each_operation() { return is_on("WHISPER_TUNE_CUDA_SYNC"); }
bool uses_graphs() { return is_on("WHISPER_TUNE_CUDA_GRAPHS"); }

}  // namespace whisper::gpu
