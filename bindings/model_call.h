// How a method of NativeModel reads its arguments and gets onto the lane.
#pragma once
#include <memory>
#include <type_traits>
#include <utility>

#include "error.h"
#include "fields.h"
#include "model.h"

namespace whisper::js {

// The arguments of a call, by name.
template <class T>
T argument(const Napi::CallbackInfo& info, size_t i, const char* name) {
  return Js<T>::from(info[i], name);
}

template <class F>
Napi::Value Model::call(Napi::Env env, std::shared_ptr<Cancel> cancel, F work) {
  if (disposed_) fail(Code::InvalidArgument, "the model is disposed");
  return lane_.run(env, std::move(cancel), [this, work = std::move(work)](const Cancel& flag) -> Settle {
    if (!core_) fail(Code::InvalidArgument, "the model is not open");
    Settle result = [](Napi::Env e) -> Napi::Value { return e.Undefined(); };
    if constexpr (std::is_void_v<decltype(work(*core_, flag))>)
      work(*core_, flag);
    else
      result = settled(work(*core_, flag));
    return [this, result = std::move(result), live = core_->whisper.backend().live_bytes()](Napi::Env e) {
      report_memory(e, live);
      return result(e);
    };
  });
}

}  // namespace whisper::js
