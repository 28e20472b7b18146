// Launches, their limits, and how errors end the process.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "block.h"

namespace whisper::emulator {

Statistics statistics;

namespace {

[[noreturn]] void stop(const Place* place, const char* format, va_list arguments) {
  char what[512], who[256] = "", where[256] = "";
  std::vsnprintf(what, sizeof what, format, arguments);
  if (current)
    std::snprintf(who, sizeof who, " block (%u,%u,%u) thread %u", current->block.x, current->block.y, current->block.z,
                  current->linear);
  if (place) std::snprintf(where, sizeof where, " at %s:%u", place->file_name(), place->line());
  std::fprintf(stderr, "emulator: kernel %s%s%s: %s\n", block.name ? block.name : "?", who, where, what);
  std::fflush(stderr);
  std::abort();
}

}  // namespace

void fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  stop(nullptr, format, arguments);
}

void fail(const Place& place, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  stop(&place, format, arguments);
}

void launch(const char* name, const gpu::Grid& grid, void (*kernel)(void*), void* argument) {
  // Each model has a thread of its own and may launch at any time; a block's state is here once.
  static std::mutex one_at_a_time;
  static thread_local bool launching = false;
  if (launching) fail("launches %s: kernels cannot launch kernels", name);
  const std::lock_guard lock(one_at_a_time);
  launching = true;

  block.name = name;
  block.kernel = kernel;
  block.argument = argument;
  block.dynamic_bytes = grid.shared;
  block.ready = {};
  // The limits of sm_80 and up (CUDA programming guide, table of compute capabilities).
  if (grid.threads <= 0 || grid.threads > static_cast<int>(max_threads) || grid.threads % 32)
    fail("a block of %d threads: blocks are of whole warps and up to 1024 threads", grid.threads);
  if (grid.x < 0 || grid.y < 0 || grid.z < 0 || grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535)
    fail("a grid of %lld x %lld x %lld blocks, at most 2^31 - 1 x 65535 x 65535", static_cast<long long>(grid.x),
         static_cast<long long>(grid.y), static_cast<long long>(grid.z));
  if (grid.shared > 227 * 1024) fail("%zu bytes of dynamic shared memory, more than 227 KB", grid.shared);

  const Dim3 threads{static_cast<unsigned>(grid.threads)};
  const Dim3 blocks{static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z)};
  for (unsigned z = 0; z < blocks.z; ++z)
    for (unsigned y = 0; y < blocks.y; ++y)
      for (unsigned x = 0; x < blocks.x; ++x) {
        run_block({x, y, z}, threads, blocks);
        ++statistics.blocks;
        statistics.threads += threads.x;
      }
  sanitizer::acquire(after_launch());
  launching = false;
}

}  // namespace whisper::emulator
