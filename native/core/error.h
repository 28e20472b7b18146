// The one exception of the engine: a code for programs and one clear line for people.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace whisper {

// Becomes `error.code` in JavaScript (src/errors.ts spells them ERR_INVALID_ARGUMENT and so on).
enum class Code {
  InvalidArgument,
  ShapeMismatch,
  OutOfMemory,
  DeviceUnavailable,
  DeviceFailed,
  CorruptFile,
  Cancelled,
  File,
  Config,
  Diverged
};

class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code(code) {}
  const Code code;
};

// fail(Code::CorruptFile, path, ": header of ", n, " bytes"): throws an Error whose message is the parts in a row.
template <class... Parts>
[[noreturn]] void fail(Code code, const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(code, message.str());
}

}  // namespace whisper
