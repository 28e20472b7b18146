// The back end on a GPU. See open.h.
#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/open.h"

namespace whisper::cuda {

std::shared_ptr<Backend> open(int index) { return std::make_shared<CudaBackend>(index); }

bool has_emulator() { return false; }

std::shared_ptr<Backend> open_emulator() {
  fail(Code::DeviceUnavailable, "cuda-emulator: this build has no emulator; npm run build:emulator makes one that has");
}

}  // namespace whisper::cuda
