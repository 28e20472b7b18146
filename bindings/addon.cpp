// The addon's module: what src/native.ts declares as NativeAddon.
#include <napi.h>

#include "error.h"
#include "instance.h"
#include "ops.h"

namespace whisper::js {
namespace {

Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    if (!info[0].IsFunction()) fail(Code::InvalidArgument, "setErrorClass: expected a class");
    Instance::of(info.Env()).error_class = Napi::Persistent(info[0].As<Napi::Function>());
    return info.Env().Undefined();
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new Instance);  // freed with the environment
  exports.Set("setErrorClass", Napi::Function::New<set_error_class>(env, "setErrorClass"));
  exports.Set("ops", Napi::Function::New<ops>(env, "ops"));
  return exports;
}

NODE_API_MODULE(whisper_tune, init)

}  // namespace
}  // namespace whisper::js
