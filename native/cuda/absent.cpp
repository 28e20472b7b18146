// CUDA in a build without it.
#include "core/error.h"
#include "cuda/cuda.h"

namespace whisper::cuda {

int device_count() { return 0; }

std::shared_ptr<Backend> open(int index) {
  fail(Code::DeviceUnavailable, "cuda:", index, ": this build has no CUDA back end; use the device \"cpu\"");
}

}  // namespace whisper::cuda
