// CUDA in a build for the emulator: no GPU, but a device that behaves like one.
#include "cuda/open.h"

#include "core/error.h"
#include "cuda/cuda_backend.h"

namespace whisper::cuda {

std::vector<Gpu> gpus() { return {}; }

std::string why_none() { return "this build has the emulator instead of CUDA: use the device \"cuda-emulator\""; }

std::shared_ptr<Backend> open(int index) { fail(Code::DeviceUnavailable, "cuda:", index, ": ", why_none()); }

bool has_emulator() { return true; }

std::shared_ptr<Backend> open_emulator() { return std::make_shared<CudaBackend>(0); }

}  // namespace whisper::cuda
