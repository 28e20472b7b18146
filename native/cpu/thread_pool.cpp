// One job at a time: the caller and the pool's threads take chunks from a shared counter. The caller never depends on
// a thread waking up: it takes chunks until none is left, closes the job, and waits only for threads inside it.
#include "cpu/thread_pool.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "core/error.h"
#include "cpu/cores.h"
#include "cpu/denormals.h"

namespace whisper::cpu {
namespace {

constexpr int most_threads = 1024;

thread_local int index_here = 0;
thread_local bool inside = false;  // a job is running on this thread

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits until value is not `old`: spinning at first, since the next job mostly comes within microseconds and waking
// a sleeping thread takes tens of them, then asleep, so as not to steal the cores of others.
template <class T>
void await_change(const std::atomic<T>& value, T old) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::microseconds(40);
  do {
    for (int i = 0; i < 32; ++i) {
      if (value.load(std::memory_order_acquire) != old) return;
      relax();
    }
  } while (Clock::now() < deadline);
  value.wait(old, std::memory_order_acquire);
}

struct Job {
  int64_t n = 0, chunk = 1;
  RangeFunction f = nullptr;
  void* context = nullptr;
};

class Pool {
 public:
  // Runs the job if no other thread has one running; false otherwise.
  bool run(const Job& job) {
    std::unique_lock lock(owner_, std::try_to_lock);
    if (!lock) return false;
    start_threads();
    job_ = job;
    next_.store(0, std::memory_order_relaxed);
    error_ = nullptr;
    failed_.store(false, std::memory_order_relaxed);
    open_.store(true);
    jobs_.fetch_add(1);
    jobs_.notify_all();
    take_chunks();
    open_.store(false);
    for (int busy; (busy = busy_.load()) != 0;) await_change(busy_, busy);
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
    return true;
  }

 private:
  // A thread counts itself busy before it looks whether the job is open, and the caller closes the job before it looks
  // at the count, both sequentially consistent: a late thread either sees the job closed or is waited for.
  void work(int index) {
    index_here = index;
    inside = true;
    const FlushDenormals flush;
    for (uint32_t seen = 0;;) {
      await_change(jobs_, seen);
      seen = jobs_.load();
      busy_.fetch_add(1);
      if (open_.load()) take_chunks();
      if (busy_.fetch_sub(1) == 1) busy_.notify_all();
    }
  }

  void take_chunks() {
    for (;;) {
      const int64_t begin = next_.fetch_add(job_.chunk, std::memory_order_relaxed);
      if (begin >= job_.n || failed_.load(std::memory_order_relaxed)) return;
      try {
        job_.f(job_.context, begin, job_.n - begin < job_.chunk ? job_.n : begin + job_.chunk);
      } catch (...) {
        const std::lock_guard lock(error_mutex_);
        if (!failed_.exchange(true)) error_ = std::current_exception();
      }
    }
  }

  void start_threads() {
    if (started_ + 1 >= threads()) return;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the program's own threads
    try {
      for (; started_ + 1 < threads(); ++started_) std::thread([this, i = started_ + 1] { work(i); }).detach();
    } catch (const std::system_error& e) {
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      fail(Code::DeviceUnavailable, "cpu: cannot start ", threads(), " threads: ", e.what(),
           " (WHISPER_TUNE_THREADS sets their number)");
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  std::mutex owner_;
  int started_ = 0;
  Job job_;
  std::exception_ptr error_;
  std::mutex error_mutex_;
  std::atomic<bool> failed_{false};
  alignas(64) std::atomic<uint32_t> jobs_{0};  // how many there have been; threads sleep on it
  alignas(64) std::atomic<int64_t> next_{0};
  alignas(64) std::atomic<int> busy_{0};
  alignas(64) std::atomic<bool> open_{false};
};

std::atomic<Pool*> current{nullptr};

// Never destroyed: its threads are detached and may be anywhere when the process exits. A child of fork() has none of
// them and makes a new pool.
Pool& pool() {
  static const int forgets = pthread_atfork(nullptr, nullptr, [] { current.store(nullptr); });
  (void)forgets;
  Pool* here = current.load(std::memory_order_acquire);
  if (!here) {
    Pool* made = new Pool;
    if (current.compare_exchange_strong(here, made)) return *made;
    delete made;
  }
  return *here;
}

int threads_asked_for() {
  const char* text = std::getenv("WHISPER_TUNE_THREADS");
  if (!text || !*text) return usable_cores();
  char* end;
  const long n = std::strtol(text, &end, 10);
  if (*end || n < 1 || n > most_threads)
    fail(Code::InvalidArgument, "WHISPER_TUNE_THREADS: expected a number from 1 to ", most_threads, ", got \"", text,
         "\"");
  return static_cast<int>(n);
}

// On this thread alone, in the same chunks.
void run_here(const Job& job) {
  for (int64_t begin = 0; begin < job.n; begin += job.chunk)
    job.f(job.context, begin, job.n - begin < job.chunk ? job.n : begin + job.chunk);
}

// Marks this thread as running a job, so that calls from inside it stay on it.
class Inside {
 public:
  Inside() { inside = true; }
  ~Inside() { inside = false; }
};

}  // namespace

int threads() {
  static const int n = threads_asked_for();
  return n;
}

int thread_index() { return index_here; }

void run_chunks(int64_t n, int64_t chunk, RangeFunction f, void* context) {
  if (n <= 0) return;
  const Job job{n, chunk < 1 ? 1 : chunk, f, context};
  if (inside) return run_here(job);
  const FlushDenormals flush;
  const Inside mark;
  if (n <= job.chunk || threads() == 1 || !pool().run(job)) run_here(job);
}

}  // namespace whisper::cpu
