// What can be launched: the same for CUDA and for the emulator, so that a grid too large for a GPU fails in tests.
#include <algorithm>

#include "core/error.h"
#include "cuda/device.h"

namespace whisper::gpu {

void check_grid(const char* op, const Grid& grid, const Properties& properties) {
  constexpr int64_t most_x = INT32_MAX, most = 65535;  // CUDA Programming Guide, "Technical Specifications"
  if (std::min({grid.x, grid.y, grid.z}) < 0 || grid.x > most_x || std::max(grid.y, grid.z) > most)
    fail(Code::InvalidArgument, op, ": a grid of ", grid.x, " x ", grid.y, " x ", grid.z, " blocks, at most ", most_x,
         " x ", most, " x ", most, " can be launched");
  if (grid.threads < 32 || grid.threads > 1024 || grid.threads % 32)
    fail(Code::InvalidArgument, op, ": blocks of ", grid.threads, " threads, expected whole warps and at most 1024");
  if (grid.shared > properties.shared)
    fail(Code::InvalidArgument, op, ": blocks with ", grid.shared, " bytes of shared memory, ", properties.name,
         " has ", properties.shared);
}

}  // namespace whisper::gpu
