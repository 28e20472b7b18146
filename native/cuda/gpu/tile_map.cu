// Tile maps, made by the driver. It is asked for its function by name, so that nothing links with libcuda and the
// program starts where there is no driver.
#include <gpu/hopper.cuh>

#include "core/error.h"

namespace whisper::gpu {
namespace {

using Encode = decltype(&cuTensorMapEncodeTiled);

Encode encode_function(const char* op) {
  static const Encode encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
    constexpr unsigned since = 12000;  // the CUDA version whose signature is meant
    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, since, cudaEnableDefault, &found) !=
            cudaSuccess ||
        found != cudaDriverEntryPointSuccess)
      function = nullptr;
    return reinterpret_cast<Encode>(function);
  }();
  if (!encode) fail(Code::DeviceUnavailable, op, ": this driver has no cuTensorMapEncodeTiled");
  return encode;
}

}  // namespace

TileMap make_tile_map(const char* op, const void* address, int64_t columns, int64_t rows, int64_t stride,
                      int box_rows) {
  TileMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(stride) * sizeof(uint16_t)};
  const cuuint32_t box[] = {box_columns, static_cast<cuuint32_t>(box_rows)}, steps[] = {1, 1};
  // What is copied are bits: the type matters where a fill of NaN is asked for, and here it is zero.
  const CUresult result =
      encode_function(op)(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, const_cast<void*>(address), sizes, strides, box,
                          steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                          CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS)
    fail(Code::DeviceUnavailable, op, ": no tile map of ", rows, " rows of ", columns, ", ", stride, " apart, at ",
         address, ", in boxes of ", box_rows, " rows: CUDA error ", static_cast<int>(result));
  return map;
}

}  // namespace whisper::gpu
