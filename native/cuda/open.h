// All that the rest of the program knows about CUDA. The build chooses where it comes from: cuda/*.cu compiled by nvcc;
// cuda/absent.cpp without a CUDA toolkit; or, for tests, cuda/*.cu compiled for the emulator in test/emulator.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"

namespace whisper::cuda {

// The GPUs that the driver shows, by their numbers: none without a GPU, without its driver, or in a build without CUDA.
std::vector<Gpu> gpus();

// In words, why none of them can be opened, and what to do about it.
std::string why_none();

// Throws DeviceUnavailable when there is no such GPU.
std::shared_ptr<Backend> open(int index);

// Whether this build has the emulator, and the back end on it. Throws DeviceUnavailable where it has none.
bool has_emulator();
std::shared_ptr<Backend> open_emulator();

}  // namespace whisper::cuda
