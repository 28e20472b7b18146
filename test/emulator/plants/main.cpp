// Runs planted faults, each in a process of its own: `emulator_plants` all of them, with and without their mistake, in
// every schedule; `emulator_plants NAME planted` and `emulator_plants NAME right` one.
#include <sys/wait.h>

#include <cstring>

#include "plant.h"

#if defined(__SANITIZE_ADDRESS__)
enum class Build { plain, address, thread } constexpr build = Build::address;
#elif defined(__SANITIZE_THREAD__)
enum class Build { plain, address, thread } constexpr build = Build::thread;
#else
enum class Build { plain, address, thread } constexpr build = Build::plain;
#endif

namespace whisper::plants {
namespace {

struct Ended {
  bool well;
  std::string printed;
};

Ended run_process(const std::string& program, const char* name, bool planted, int schedule) {
  const std::string command = "WHISPER_TUNE_EMULATOR_SCHEDULE=" + std::to_string(schedule) +
                              " TSAN_OPTIONS=halt_on_error=1 ASAN_OPTIONS=detect_leaks=0 '" + program + "' " + name +
                              (planted ? " planted" : " right") + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  if (!pipe) std::abort();
  Ended ended;
  char part[4096];
  while (const size_t count = std::fread(part, 1, sizeof part, pipe)) ended.printed.append(part, count);
  ended.well = pclose(pipe) == 0;
  return ended;
}

int check_all(const std::string& program) {
  int passed = 0, failed = 0;
  const auto check = [&](bool ok, const Plant& plant, const char* what, int schedule, const std::string& printed) {
    ++(ok ? passed : failed);
    if (!ok)
      std::printf("FAILED %s, %s, schedule %d; printed:\n%s\n", plant.name, what, schedule,
                  printed.substr(0, 2000).c_str());
  };
  for (const Plant& plant : plants()) {
    // Sanitizers see what they see in any order of threads.
    for (int schedule = 0; schedule < (build == Build::plain ? 4 : 1); ++schedule) {
      const Ended right = run_process(program, plant.name, false, schedule);
      check(right.well, plant, "without its mistake", schedule, right.printed);
      const char* const text = build == Build::plain     ? plant.plain
                               : build == Build::address ? plant.address
                                                         : plant.thread;
      if (!text || (build == Build::plain && !(plant.schedules >> schedule & 1))) continue;
      const Ended mistaken = run_process(program, plant.name, true, schedule);
      const bool seen = !mistaken.well && mistaken.printed.find(text) != std::string::npos;
      check(seen, plant, text, schedule, mistaken.printed);
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 || passed == 0;
}

}  // namespace
}  // namespace whisper::plants

int main(int count, char** arguments) {
  using namespace whisper::plants;
  if (count == 1) return check_all(arguments[0]);
  for (const Plant& plant : plants())
    if (count == 3 && std::strcmp(plant.name, arguments[1]) == 0) {
      plant.run(std::strcmp(arguments[2], "planted") == 0);
      return 0;
    }
  std::fprintf(stderr, "usage: %s [NAME planted|right]\n", arguments[0]);
  return 2;
}
