// The clock of the benchmarks: the wall's or, where the engine computes on one thread of the CPU, the process's CPU
// time, which other programs on the machine hardly disturb.
#pragma once
#include <time.h>

#include "backend.h"

namespace whisper::js {

// The milliseconds that f() takes, and what it has queued on the back end.
double milliseconds_of(Backend& backend, auto&& f) {
  static const bool one_thread = device_info().threads == 1;
  const bool cpu_time = one_thread && backend.name().starts_with("cpu");
  const auto now = [cpu_time] {
    timespec t;
    clock_gettime(cpu_time ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
  };
  const double started = now();
  f();
  backend.synchronize();
  return now() - started;
}

}  // namespace whisper::js
