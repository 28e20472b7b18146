// How long queued work takes.
#pragma once
#include "cuda/device.h"

namespace whisper::gpu {

// What the GPU took from one mark to a later one, once that has been waited for. 0 on the emulator, which has no time.
double milliseconds(const Device::Mark& from, const Device::Mark& to);

}  // namespace whisper::gpu
