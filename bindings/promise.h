// Work away from the main thread, each with a promise: what all asynchronous calls of the addon share.
#pragma once
#include <napi.h>

#include <functional>
#include <utility>

#include "convert.h"
#include "error.h"

namespace whisper::js {

// Turns the result of a job into a JavaScript value; runs on the main thread.
using Settle = std::function<Napi::Value(Napi::Env)>;

template <class T>
Settle settled(T result) {
  return [result = std::move(result)](Napi::Env env) -> Napi::Value { return Js<T>::to(env, result); };
}

// Resolves with what settle gives, or rejects with the failure. An environment that is being torn down runs no
// JavaScript any more and refuses; nobody is left to be told.
void settle_promise(Napi::Env env, napi_deferred deferred, const Settle& settle, const Failure& failure) noexcept;

// f() returns a promise; what it throws (a wrong argument, mostly) rejects one instead.
template <class F>
Napi::Value promised(Napi::Env env, F&& f) {
  Failure failure;
  try {
    return f();
  } catch (const Napi::Error&) {
    throw;  // JavaScript's own: a getter of an option threw
  } catch (...) {
    failure = current_failure();
  }
  const auto deferred = Napi::Promise::Deferred::New(env);
  deferred.Reject(to_error(env, failure).Value());
  return deferred.Promise();
}

// Runs the work on a thread of libuv's pool.
Napi::Value on_thread_pool(Napi::Env env, std::function<Settle()> work);

}  // namespace whisper::js
