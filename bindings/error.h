// Errors of C++ as errors of JavaScript: every entry point of the addon runs inside guard().
#pragma once
#include <napi.h>

#include <new>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"

namespace whisper::js {

// The spelling of src/errors.ts.
constexpr const char* name_of(Code code) {
  switch (code) {
    case Code::InvalidArgument:
      return "ERR_INVALID_ARGUMENT";
    case Code::ShapeMismatch:
      return "ERR_SHAPE_MISMATCH";
    case Code::OutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case Code::DeviceUnavailable:
      return "ERR_DEVICE_UNAVAILABLE";
    case Code::DeviceFailed:
      return "ERR_DEVICE_FAILED";
    case Code::CorruptFile:
      return "ERR_CORRUPT_FILE";
    case Code::Cancelled:
      return "ERR_CANCELLED";
    case Code::File:
      return "ERR_FILE";
    case Code::Config:
      return "ERR_CONFIG";
    case Code::Diverged:
      return "ERR_DIVERGED";
  }
  return "ERR_UNKNOWN";
}

// What went wrong on another thread, until the main one can make an error of it. No code: a fault of this program.
struct Failure {
  std::optional<Code> code;
  std::string message;
};

// The failure that is being handled; only inside a catch block.
Failure current_failure();

// An instance of the class that setErrorClass() was given (WhisperError), of Error before that.
Napi::Error to_error(Napi::Env env, const Failure& failure);

// f(), with whatever it throws turned into a JavaScript exception that has its code.
template <class F>
auto guard(Napi::Env env, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_error(env, current_failure());
  }
}

}  // namespace whisper::js
