// CUDA in a build without it.
#include "core/error.h"
#include "cuda/open.h"

namespace whisper::cuda {

std::vector<Gpu> gpus() { return {}; }

std::string why_none() {
  return "this build has no CUDA: build it on a machine with nvcc and an NVIDIA driver, or with WHISPER_TUNE_CUDA=1";
}

std::shared_ptr<Backend> open(int index) {
  fail(Code::DeviceUnavailable, "cuda:", index, ": ", why_none(), "; or use the device \"cpu\"");
}

bool has_emulator() { return false; }

std::shared_ptr<Backend> open_emulator() {
  fail(Code::DeviceUnavailable, "cuda-emulator: this build has no emulator; npm run build:emulator makes one that has");
}

}  // namespace whisper::cuda
