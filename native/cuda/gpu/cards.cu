// The GPUs that there are, or why there are none. See cuda/open.h.
#include <cuda_runtime.h>

#include <fstream>

#include "cuda/driver.h"
#include "cuda/open.h"

namespace whisper::cuda {

std::vector<Gpu> gpus() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();
    return {};
  }
  std::vector<Gpu> list;
  for (int index = 0; index < count; ++index) {
    cudaDeviceProp found;
    if (cudaGetDeviceProperties(&found, index) != cudaSuccess) continue;
    const int capability = 10 * found.major + found.minor;
    list.push_back({"cuda:" + std::to_string(index), found.name, gpu::dotted(capability), found.totalGlobalMem,
                    capability < gpu::least_capability ? gpu::too_old(found.name, capability) : ""});
  }
  return list;
}

std::string why_none() {
  for (const Gpu& gpu : gpus())
    if (!gpu.problem.empty()) return gpu.problem;
  int cuda = 0, needed = 0, count = 0;
  cudaDriverGetVersion(&cuda);
  cudaRuntimeGetVersion(&needed);
  const cudaError_t error = cudaGetDeviceCount(&count);
  cudaGetLastError();
  std::ifstream version("/proc/driver/nvidia/version");
  const bool none = error == cudaSuccess || error == cudaErrorNoDevice;
  return gpu::why_no_gpu(cuda, needed, gpu::driver_release(version), none ? "" : cudaGetErrorString(error));
}

}  // namespace whisper::cuda
