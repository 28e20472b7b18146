// All that the rest of the program knows about CUDA. The build chooses where it comes from: cuda/*.cu compiled by nvcc;
// cuda/absent.cpp without a CUDA toolkit; or, for tests, cuda/*.cu compiled for the emulator in test/emulator.
#pragma once
#include <memory>
#include <string>

#include "backend.h"

namespace whisper::cuda {

// GPUs that can be opened: none without a GPU, without its driver, or in a build without CUDA.
int device_count();

// In words, why there are none, and what to do about it.
std::string why_none();

// Throws DeviceUnavailable when there is no such GPU.
std::shared_ptr<Backend> open(int index);

// Whether this build has the emulator, and the back end on it. Throws DeviceUnavailable where it has none.
bool has_emulator();
std::shared_ptr<Backend> open_emulator();

}  // namespace whisper::cuda
