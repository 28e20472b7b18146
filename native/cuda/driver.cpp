// See driver.h.
#include "cuda/driver.h"

#include <cctype>

namespace whisper::gpu {
namespace {

// The first driver of a major version of CUDA serves all of its runtimes.
std::string remedy(int needed) {
  return std::string(": install driver ") + (needed >= 13000 ? "580" : "525") + " or newer, or use the device \"cpu\"";
}

std::string version(int cuda) { return std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10); }

}  // namespace

std::string dotted(int capability) { return std::to_string(capability / 10) + "." + std::to_string(capability % 10); }

std::string too_old(const std::string& name, int capability) {
  return name + " has compute capability " + dotted(capability) + ", and " + dotted(least_capability) +
         " (A100, RTX 30 and newer) is the least that is supported; use the device \"cpu\"";
}

// NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024
std::string driver_release(std::istream& lines) {
  std::string line, word;
  std::getline(lines, line);
  for (const char c : line + " ") {
    if (c != ' ') {
      word += c;
      continue;
    }
    const size_t point = word.find('.');
    if (point != std::string::npos && point >= 2 && word.find_first_not_of("0123456789.") == std::string::npos)
      return word;
    word.clear();
  }
  return {};
}

std::string why_no_gpu(int cuda, int needed, const std::string& release, const std::string& error) {
  if (cuda == 0 && release.empty()) return std::string("there is no NVIDIA driver") + remedy(needed);
  const std::string driver = release.empty() ? "the NVIDIA driver" : "the NVIDIA driver " + release;
  if (cuda / 1000 < needed / 1000) {
    const std::string serves = cuda ? " serves CUDA " + version(cuda) : " is there but does not answer";
    return driver + serves + ", and this build needs " + version(needed) + remedy(needed);
  }
  return driver + (error.empty() ? std::string(" has no GPU") : " answers: " + error) +
         "; nvidia-smi lists the GPUs it has, and CUDA_VISIBLE_DEVICES hides others; or use the device \"cpu\"";
}

}  // namespace whisper::gpu
