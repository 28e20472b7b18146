// The addon's module: what src/native.ts declares as NativeAddon.
#include <napi.h>

#include "cancel.h"
#include "error.h"
#include "functions.h"
#include "instance.h"
#include "model.h"
#include "ops.h"
#include "version.h"

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
  auto* instance = new Instance;  // freed with the environment
  env.SetInstanceData(instance);
  const Napi::Function cancel = CancelHandle::define(env);
  instance->cancel_class = Napi::Persistent(cancel);
  instance->model_class = Napi::Persistent(Model::define(env));
  exports.Set("Cancel", cancel);
  exports.Set("openModel", Napi::Function::New<Model::open>(env, "openModel"));
  exports.Set("plan", Napi::Function::New<plan>(env, "plan"));
  exports.Set("logMel", Napi::Function::New<log_mel>(env, "logMel"));
  exports.Set("resample", Napi::Function::New<resample>(env, "resample"));
  exports.Set("resampleSync", Napi::Function::New<resample_sync>(env, "resampleSync"));
  exports.Set("deviceInfo", Napi::Function::New<device_info>(env, "deviceInfo"));
  exports.Set("roofs", Napi::Function::New<roofs>(env, "roofs"));
  exports.Set("setErrorClass", Napi::Function::New<set_error_class>(env, "setErrorClass"));
  exports.Set("version", version);
  exports.Set("ops", Napi::Function::New<ops>(env, "ops"));
  exports.Set("opTimes", Napi::Function::New<op_times>(env, "opTimes"));
  return exports;
}

NODE_API_MODULE(whisper_tune, init)

}  // namespace
}  // namespace whisper::js
