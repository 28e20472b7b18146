// Every operation of ops.def as a function of JavaScript, for the tests and for the benchmarks.
#pragma once
#include <napi.h>

namespace whisper::js {

// ops("cpu").layernorm(y, mean, rstd, x, weight, bias): names in camelCase, operands in the order of ops.def.
// A tensor is {data: Float32Array | Int32Array | Int16Array | Uint8Array, shape, offset?, rowStride?, batchStride?},
// absent when null or undefined; operands with one and the same `data` share their memory on the device. Out and Acc
// operands are copied back.
Napi::Value ops(const Napi::CallbackInfo& info);

// opTimes("cpu", 5, fastProducts).layernorm(…): the same operands, for an operation that runs once to warm up and then
// five times. Returns a Float64Array of the milliseconds (stopwatch.h) that each of the five took; nothing is copied
// back.
Napi::Value op_times(const Napi::CallbackInfo& info);

}  // namespace whisper::js
