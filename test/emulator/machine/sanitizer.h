// What a sanitizer has to know of fibers. The emulator itself is compiled without instrumentation, so that its own
// bookkeeping, which no barrier of a kernel orders, is invisible; kernels are compiled with it.
//
// AddressSanitizer is told which stack is used. To ThreadSanitizer every CUDA thread is a thread of its own, and a
// switch from one to another orders nothing: what orders them is what a kernel calls, __syncthreads(), __syncwarp() and
// waits, each a release before and an acquire behind. That makes it an exact race detector.
#pragma once
#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>

#if defined(WHISPER_EMULATOR_ADDRESS)
#include <sanitizer/common_interface_defs.h>
#elif defined(WHISPER_EMULATOR_THREAD)
#include <sanitizer/tsan_interface.h>
#endif

namespace whisper::emulator::sanitizer {

#if defined(WHISPER_EMULATOR_ADDRESS)
inline constexpr bool watches_addresses = true, watches_threads = false;

inline void leave(void** fake_stack, const void* low, size_t bytes, void*) {
  __sanitizer_start_switch_fiber(fake_stack, low, bytes);
}
inline void arrive(void* fake_stack, const void** came_from, size_t* bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, came_from, bytes);
}
#elif defined(WHISPER_EMULATOR_THREAD)
inline constexpr bool watches_addresses = false, watches_threads = true;

inline void leave(void**, const void*, size_t, void* fiber) { __tsan_switch_to_fiber(fiber, 1 /* orders nothing */); }
inline void arrive(void*, const void**, size_t*) {}
#else
inline constexpr bool watches_addresses = false, watches_threads = false;

inline void leave(void**, const void*, size_t, void*) {}
inline void arrive(void*, const void**, size_t*) {}
#endif

#if defined(WHISPER_EMULATOR_THREAD)
// A new fiber comes after what its maker did, so the launcher makes them all before the first of a block runs.
inline void* make_fiber(const char* name) {
  void* fiber = __tsan_create_fiber(0);
  __tsan_set_fiber_name(fiber, name);
  return fiber;
}
inline void end_fiber(void* fiber) { __tsan_destroy_fiber(fiber); }
inline void* this_fiber() { return __tsan_get_current_fiber(); }
inline void release(void* token) { __tsan_release(token); }
inline void acquire(void* token) { __tsan_acquire(token); }
#else
inline void* make_fiber(const char*) { return nullptr; }
inline void end_fiber(void*) {}
inline void* this_fiber() { return nullptr; }
inline void release(void*) {}
inline void acquire(void*) {}
#endif

// Fresh pages, of which ThreadSanitizer remembers nothing. At `at`, if given, in place of those that are there.
inline char* map(size_t bytes, void* at = nullptr) {
  constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* p = mmap(at, bytes, PROT_READ | PROT_WRITE, flags | (at ? MAP_FIXED : 0), -1, 0);
  if (p == MAP_FAILED) std::abort();
  return static_cast<char*>(p);
}

// memset() that no sanitizer sees: a call would count as a write of the thread that happens to run.
inline void fill_unseen(void* to, unsigned char byte, size_t bytes) {
  asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(byte) : "memory");
}

}  // namespace whisper::emulator::sanitizer
