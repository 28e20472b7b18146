// All that the rest of the program knows about CUDA. Built from cuda/*.cu, or from cuda/absent.cpp without a CUDA
// toolkit; the build chooses the file.
#pragma once
#include <memory>

#include "backend.h"

namespace whisper::cuda {

// GPUs that can be opened: none without a GPU, without its driver, or in a build without CUDA.
int device_count();

// Throws DeviceUnavailable when there is no such GPU.
std::shared_ptr<Backend> open(int index);

}  // namespace whisper::cuda
