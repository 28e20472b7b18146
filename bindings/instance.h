// What one environment (the main thread, or a worker thread of JavaScript) keeps of the addon.
#pragma once
#include <napi.h>

namespace whisper::js {

struct Instance {
  Napi::FunctionReference error_class;  // WhisperError, once setErrorClass() was called
  Napi::FunctionReference model_class;
  Napi::FunctionReference cancel_class;

  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }
};

}  // namespace whisper::js
