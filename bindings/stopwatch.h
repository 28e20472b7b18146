// The clock of the benchmarks: the wall's or, where the engine has one thread, the process's CPU time, which other
// programs on the machine hardly disturb.
#pragma once
#include <time.h>

#include "backend.h"

namespace whisper::js {

// The milliseconds that f() takes.
double milliseconds_of(auto&& f) {
  static const bool cpu_time = device_info().threads == 1;
  const auto now = [] {
    timespec t;
    clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
  };
  const double started = now();
  f();
  return now() - started;
}

}  // namespace whisper::js
