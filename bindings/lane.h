// A model's own thread. Calls run on it one after another, in the order in which JavaScript made them, and each is a
// promise. So nothing in native/ needs a lock against JavaScript, and libuv's threads stay free for files.
#pragma once
#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/cancel.h"
#include "promise.h"

namespace whisper::js {

class Lane {
 public:
  using Work = std::function<Settle(const Cancel&)>;

  // busy(true) is called on the main thread before the first of some calls is queued, busy(false) after the last of
  // them is settled: there the owner holds itself. `farewell` is the last thing that the thread does.
  Lane(Napi::Env env, std::function<void(bool)> busy, std::function<void()> farewell);
  ~Lane() { close(); }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // Queues the work. It gets the flag that asks it to stop, whether or not the caller keeps one.
  // The thread ends after a call that is `last`.
  Napi::Value run(Napi::Env env, std::shared_ptr<Cancel> cancel, Work work, bool last = false);

  // Asks the running call to stop, waits for it and drops the others; their promises stay as they are. For when the
  // environment ends, and for the destructor, when nothing is running.
  void close();

 private:
  struct Job {
    napi_deferred deferred = nullptr;
    std::shared_ptr<Cancel> cancel;
    Work work;
    bool last = false;
    Settle settle;
    Failure failure;
  };

  void loop();
  void work_off(std::unique_ptr<Job> job);
  static void finish(Napi::Env env, Napi::Function, Lane* lane, Job* job);
  using Done = Napi::TypedThreadSafeFunction<Lane, Job, finish>;

  std::function<void(bool)> busy_;
  std::function<void()> farewell_;
  Done done_;
  int pending_ = 0;  // calls not yet settled; main thread only

  std::mutex mutex_;  // guards what follows
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::shared_ptr<Cancel> running_;
  bool closing_ = false;

  std::thread thread_;
};

}  // namespace whisper::js
