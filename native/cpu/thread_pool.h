// The CPU back end's threads: one pool per process, dynamic chunks, bounded spinning before sleep.
#pragma once
#include <cstdint>
#include <type_traits>

namespace whisper::cpu {

// A function of (context, begin, end) without allocation: what parallel_for hands to the threads.
using RangeFunction = void (*)(void* context, int64_t begin, int64_t end);

// Threads that work, the caller among them: cores of the affinity mask, or WHISPER_TUNE_THREADS.
int threads();

// Which of the threads() is running: 0 is the caller. For workspaces, one per thread.
int thread_index();

void run_chunks(int64_t n, int64_t chunk, RangeFunction f, void* context);

// f(begin, end) over [0, n) in chunks of `chunk` taken as threads become free; returns when all are done. Results must
// not depend on which thread takes which chunk, so reductions write one partial per chunk and add those up in order.
// Pool threads flush denormals to zero; the caller does for the duration. A nested call runs on the calling thread
// alone, and so does a call while another thread has the pool, in the same chunks. An exception ends the loop and comes
// out of the call.
template <class F>
void parallel_for(int64_t n, int64_t chunk, F&& f) {
  run_chunks(
      n, chunk, [](void* c, int64_t begin, int64_t end) { (*static_cast<std::remove_reference_t<F>*>(c))(begin, end); },
      &f);
}

}  // namespace whisper::cpu
