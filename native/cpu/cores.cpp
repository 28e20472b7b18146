// Counts cores from the affinity mask, the topology in /sys and the quotas of the cgroups; elsewhere all there are.
#include "cpu/cores.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

namespace whisper::cpu {
namespace {

#if defined(__linux__)

int cores_of_affinity() {
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  std::set<std::string> cores;  // hardware threads of one core list the same siblings
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    std::ifstream file("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    std::string siblings;
    if (!std::getline(file, siblings)) siblings = "cpu" + std::to_string(cpu);
    cores.insert(siblings);
  }
  return static_cast<int>(cores.size());
}

// Cores that the quota in this folder of the cgroup file system is worth; infinite without one.
// Version 2 has "max 100000" or "200000 100000" in cpu.max, version 1 two files, the quota -1 for none.
double quota_at(const std::filesystem::path& folder) {
  constexpr double none = std::numeric_limits<double>::infinity();
  double quota = 0, period = 0;
  if (std::ifstream file(folder / "cpu.max"); file)
    return file >> quota >> period && period > 0 ? quota / period : none;
  std::ifstream first(folder / "cpu.cfs_quota_us"), second(folder / "cpu.cfs_period_us");
  return first >> quota && second >> period && quota > 0 && period > 0 ? quota / period : none;
}

// The least quota of this process's cgroup and of those around it, under both versions' usual mount points.
double cores_of_quota() {
  double least = std::numeric_limits<double>::infinity();
  std::ifstream groups("/proc/self/cgroup");  // lines of id:controllers:path, no controllers in version 2
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first, second - first) + ':';
    const bool unified = controllers == "::";
    if (!unified && controllers.find(":cpu:") == std::string::npos && controllers.find(":cpu,") == std::string::npos)
      continue;
    const std::filesystem::path mount = unified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu";
    for (std::filesystem::path path = line.substr(second + 1);; path = path.parent_path()) {
      least = std::min(least, quota_at(mount / path.relative_path()));
      if (path == path.parent_path()) break;
    }
  }
  return least;
}

#else

int cores_of_affinity() { return static_cast<int>(std::thread::hardware_concurrency()); }
double cores_of_quota() { return std::numeric_limits<double>::infinity(); }

#endif

}  // namespace

int usable_cores() {
  const double cores = std::min<double>(cores_of_affinity(), cores_of_quota());
  return std::max(1, static_cast<int>(cores));
}

}  // namespace whisper::cpu
