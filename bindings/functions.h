// The addon's functions that belong to no model.
#pragma once
#include <napi.h>

namespace whisper::js {

Napi::Value device_info(const Napi::CallbackInfo& info);  // deviceInfo()
Napi::Value roofs(const Napi::CallbackInfo& info);        // roofs(), a promise
Napi::Value plan(const Napi::CallbackInfo& info);         // plan(dims, options), a promise
Napi::Value log_mel(const Napi::CallbackInfo& info);      // logMel(samples, mels), a promise
Napi::Value resample(const Napi::CallbackInfo& info);     // resample(channels, from, to), a promise
Napi::Value resample_sync(const Napi::CallbackInfo& info);

}  // namespace whisper::js
