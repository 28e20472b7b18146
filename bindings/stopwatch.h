// The clock of the benchmarks: the wall's or, where the engine has one thread, the process's CPU time, which other
// programs on the machine hardly disturb.
#pragma once
#include <chrono>
#include <ctime>

#include "backend.h"

namespace whisper::js {

// The milliseconds that f() takes.
double milliseconds_of(auto&& f) {
  static const bool cpu_time = device_info().threads == 1;
  const auto now = [] {
    if (cpu_time) return 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
  };
  const double started = now();
  f();
  return now() - started;
}

}  // namespace whisper::js
