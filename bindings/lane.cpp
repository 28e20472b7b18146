// A model's own thread.
#include "lane.h"

#include <utility>

namespace whisper::js {

Lane::Lane(Napi::Env env, std::function<void(bool)> busy, std::function<void()> farewell)
    : busy_(std::move(busy)), farewell_(std::move(farewell)), done_(Done::New(env, "whisper-tune", 0, 1, this)) {
  done_.Unref(env);  // an idle lane does not keep the process alive
  thread_ = std::thread([this] { loop(); });
}

Napi::Value Lane::run(Napi::Env env, std::shared_ptr<Cancel> cancel, Work work, bool last) {
  auto job = std::make_unique<Job>();
  job->cancel = cancel ? std::move(cancel) : std::make_shared<Cancel>();
  job->work = std::move(work);
  job->last = last;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &job->deferred, &promise) != napi_ok) throw Napi::Error::New(env);
  if (pending_++ == 0) {
    done_.Ref(env);
    busy_(true);
  }
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return {env, promise};
}

void Lane::loop() {
  std::unique_lock lock(mutex_);
  for (bool last = false; !last;) {
    wake_.wait(lock, [this] { return closing_ || !queue_.empty(); });
    if (closing_) break;
    std::unique_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    last = job->last;
    running_ = job->cancel;
    lock.unlock();
    try {
      job->cancel->check();
      job->settle = job->work(*job->cancel);
    } catch (...) {
      job->failure = current_failure();
    }
    job->work = nullptr;  // frees the inputs here
    lock.lock();
    running_ = nullptr;
    // Under the lock, so that close() cannot take the function away in between.
    if (!closing_ && done_.NonBlockingCall(job.get()) == napi_ok) job.release();
  }
  queue_.clear();
  lock.unlock();
  farewell_();
}

void Lane::finish(Napi::Env env, Napi::Function, Lane* lane, Job* settled) {
  const std::unique_ptr<Job> job(settled);
  if (env == nullptr) return;  // the environment is gone, and the lane with it
  const Napi::HandleScope scope(env);
  settle_promise(env, job->deferred, job->settle, job->failure);
  if (--lane->pending_ > 0) return;
  lane->done_.Unref(env);
  lane->busy_(false);
}

void Lane::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (running_) running_->request();
  }
  wake_.notify_one();
  thread_.join();
  done_.Abort();
}

}  // namespace whisper::js
