// Errors of C++ as errors of JavaScript.
#include "error.h"

#include "instance.h"

namespace whisper::js {

Failure current_failure() {
  try {
    throw;
  } catch (const Error& e) {
    return {e.code, e.what()};
  } catch (const std::bad_alloc&) {
    return {Code::OutOfMemory, "out of memory"};
  } catch (const std::exception& e) {
    return {std::nullopt, e.what()};
  } catch (...) {
    return {std::nullopt, "an unknown exception in native code"};
  }
}

Napi::Error to_error(Napi::Env env, const Failure& failure) {
  if (!failure.code) return Napi::Error::New(env, "internal error: " + failure.message);
  const Napi::String code = Napi::String::New(env, name_of(*failure.code));
  const Napi::String message = Napi::String::New(env, failure.message);
  if (const Instance& instance = Instance::of(env); !instance.error_class.IsEmpty())
    return {env, instance.error_class.New({code, message})};
  Napi::Error error = Napi::Error::New(env, failure.message);
  error.Set("code", code);
  return error;
}

}  // namespace whisper::js
