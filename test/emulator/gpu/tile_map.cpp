// The emulator's body of make_tile_map (native/cuda/gpu/hopper.cuh): what cuTensorMapEncodeTiled refuses is refused
// here.
#include <gpu/hopper.cuh>

#include "core/error.h"

namespace whisper::gpu {

TileMap make_tile_map(const char* op, const void* address, int64_t columns, int64_t rows, int64_t stride,
                      int box_rows) {
  const bool aligned = reinterpret_cast<uintptr_t>(address) % 16 == 0 && stride % 8 == 0;
  const bool sizes = columns > 0 && rows > 0 && columns <= INT64_C(1) << 32 && rows <= INT64_C(1) << 32;
  if (!aligned || !sizes || stride < 0 || stride >= INT64_C(1) << 39 || box_rows < 1 || box_rows > 256)
    fail(Code::DeviceUnavailable, op, ": no tile map of ", rows, " rows of ", columns, ", ", stride, " apart, at ",
         address, ", in boxes of ", box_rows, " rows");
  return {static_cast<const uint16_t*>(address), columns, rows, stride, box_rows};
}

}  // namespace whisper::gpu
