// Work away from the main thread, each with a promise.
#include "promise.h"

namespace whisper::js {

void settle_promise(Napi::Env env, napi_deferred deferred, const Settle& settle, const Failure& failure) noexcept {
  try {
    if (settle) {
      try {
        napi_resolve_deferred(env, deferred, settle(env));
        return;
      } catch (const Napi::Error& e) {
        napi_reject_deferred(env, deferred, e.Value());
        return;
      }
    }
    napi_reject_deferred(env, deferred, to_error(env, failure).Value());
  } catch (...) {
  }
}

namespace {

class Job final : public Napi::AsyncWorker {  // deletes itself when done
 public:
  Job(Napi::Env env, std::function<Settle()> work) : AsyncWorker(env, "whisper-tune"), work_(std::move(work)) {
    napi_create_promise(env, &deferred_, &promise_);
  }
  napi_value promise() const { return promise_; }

 private:
  void Execute() override {
    try {
      settle_ = work_();
    } catch (...) {
      failure_ = current_failure();
    }
  }
  void OnOK() override { settle_promise(Env(), deferred_, settle_, failure_); }

  std::function<Settle()> work_;
  Settle settle_;
  Failure failure_;
  napi_deferred deferred_ = nullptr;
  napi_value promise_ = nullptr;
};

}  // namespace

Napi::Value on_thread_pool(Napi::Env env, std::function<Settle()> work) {
  auto* job = new Job(env, std::move(work));
  const Napi::Value promise(env, job->promise());
  job->Queue();
  return promise;
}

}  // namespace whisper::js
