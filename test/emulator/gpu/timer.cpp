// The emulator's body of cuda/timer.h.
#include "cuda/timer.h"

namespace whisper::gpu {

double milliseconds(const Device::Mark&, const Device::Mark&) { return 0; }

}  // namespace whisper::gpu
