// The class Cancel: asks running calls of the engine to stop.
#pragma once
#include <napi.h>

#include <memory>

#include "convert.h"
#include "core/cancel.h"
#include "instance.h"

namespace whisper::js {

// new Cancel(), passed to one or more calls; cancel() makes them reject with ERR_CANCELLED at the next place where they
// look. The flag is shared with the calls, so it does not matter which of the two outlives the other.
class CancelHandle : public Napi::ObjectWrap<CancelHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Cancel", {InstanceMethod<&CancelHandle::cancel>("cancel")});
  }

  // The flag of a Cancel; null for undefined.
  static std::shared_ptr<Cancel> from(Napi::Value v, const Path& at) {
    if (v.IsUndefined()) return nullptr;
    if (!v.IsObject() || !v.As<Napi::Object>().InstanceOf(Instance::of(v.Env()).cancel_class.Value()))
      unexpected(at, "a Cancel", v);
    return Unwrap(v.As<Napi::Object>())->flag_;
  }

  explicit CancelHandle(const Napi::CallbackInfo& info) : ObjectWrap(info) {}

 private:
  Napi::Value cancel(const Napi::CallbackInfo& info) {
    flag_->request();
    return info.Env().Undefined();
  }

  const std::shared_ptr<Cancel> flag_ = std::make_shared<Cancel>();
};

}  // namespace whisper::js
