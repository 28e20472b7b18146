// A planted fault: a kernel with a mistake, the same kernel without, and what has to be seen of the mistake. They prove
// that the emulator sees what it is said to see.
#pragma once
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <gpu/hopper.cuh>
#include <string>
#include <vector>

namespace whisper::plants {

// Where a mistake shows without a sanitizer: in these schedules, one bit each, as in machine/schedule.h.
enum Schedules { nowhere = 0, all_but_turns = 7, everywhere = 15 };

struct Plant {
  const char* name;
  // Part of what is printed: by the plain program in these schedules, with AddressSanitizer and UBSan, with
  // ThreadSanitizer. Null where nothing is promised.
  const char* plain;
  Schedules schedules;
  const char* address;
  const char* thread;
  void (*run)(bool planted);
};
inline std::vector<Plant>& plants() {
  static std::vector<Plant> list;
  return list;
}
struct Register {
  explicit Register(const Plant& plant) { plants().push_back(plant); }
};

// What the plain program prints where a mistake shows in the results.
inline constexpr const char* wrong = "wrong: ";

inline void expect(size_t i, double actual, double expected) {
  if (actual == expected) return;
  std::printf("%selement %zu is %g, not %g\n", wrong, i, actual, expected);
  std::exit(1);
}

// Runs the kernel that a plant is about, which is there with and without the mistake.
template <class... P, class... A>
void run(const gpu::Grid& grid, void (*kernel)(P...), A... arguments) {
  gpu::Device device(0);
  gpu::launch(device, "plant", grid, kernel, arguments...);
}
template <class... P, class... A>
void run(bool planted, const gpu::Grid& grid, void (*mistaken)(P...), void (*right)(P...), A... arguments) {
  run(grid, planted ? mistaken : right, arguments...);
}

}  // namespace whisper::plants

// PLANT(name, what the plain program prints, in which schedules, AddressSanitizer, ThreadSanitizer) { … planted … }
#define PLANT(name, plain, schedules, address, thread)                                                           \
  static void name(bool planted);                                                                                \
  static const whisper::plants::Register registered_##name({#name, plain, schedules, address, thread, &(name)}); \
  static void name(bool planted)
