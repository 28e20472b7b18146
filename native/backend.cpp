// Opens the back end that a device name asks for: the only file that names them all.
#include "backend.h"

#include <charconv>

#include "core/error.h"
#include "cpu/cpu_backend.h"
#include "cpu/roof.h"
#include "cpu/thread_pool.h"
#include "cuda/open.h"

namespace whisper {

std::shared_ptr<Backend> open_backend(const std::string& device) {
  if (device == "cpu") return std::make_shared<CpuBackend>();
  if (device == "auto" || device == "cuda") {
    for (const Gpu& gpu : cuda::gpus())
      if (gpu.problem.empty()) return open_backend(gpu.device);
    if (device == "auto") return std::make_shared<CpuBackend>();
    fail(Code::DeviceUnavailable, "cuda: ", cuda::why_none());
  }
  if (device == "cuda-emulator") return cuda::open_emulator();
  if (device.starts_with("cuda:")) {
    int index = -1;
    const char* end = device.data() + device.size();
    const auto [stop, error] = std::from_chars(device.data() + 5, end, index);
    if (error == std::errc{} && stop == end && index >= 0) return cuda::open(index);
  }
  fail(Code::InvalidArgument, "device: expected auto, cpu, cuda or cuda:N, got \"", device, "\"");
}

DeviceInfo device_info() {
  DeviceInfo info{{"cpu"}, cpu::best_kernels().isa, cpu::supported_isas(), cpu::threads(), "", cuda::gpus()};
  for (const Gpu& gpu : info.gpus)
    if (gpu.problem.empty()) info.devices.push_back(gpu.device);
  info.cuda = info.devices.size() > 1 ? "present" : cuda::why_none();
  if (cuda::has_emulator()) info.devices.push_back("cuda-emulator");
  return info;
}

std::map<std::string, Roof> measured_roofs() { return cpu::roofs(); }

}  // namespace whisper
