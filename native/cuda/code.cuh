// The 8-bit code of moments, in blocks of 256 elements with one absmax: a warp for each block. The rule, and the lines
// by which a code is found without a search, are those of core/nearest_code.h.
#pragma once
#include "core/nearest_code.h"
#include "cuda/quad.cuh"
#include "cuda/reduce.cuh"

namespace whisper::cuda {

// A map and its lines, where kernels look them up: in shared memory, for each lane has an index of its own.
struct CodeTable {
  float map[256];
  float above[CodeLines::segments], slope[CodeLines::segments], offset[CodeLines::segments];
  int32_t last[CodeLines::segments];
};

namespace tables {
template <bool is_signed>
constexpr CodeTable make() {
  using Map = CodeMap<is_signed>;
  CodeTable table{};
  for (int i = 0; i < 256; ++i) table.map[i] = Map::values[i];
  for (int s = 0; s < CodeLines::segments; ++s) {
    table.above[s] = Map::lines.above[s], table.last[s] = Map::lines.last[s];
    table.slope[s] = Map::lines.slope[s], table.offset[s] = Map::lines.offset[s];
  }
  return table;
}
__device__ constexpr CodeTable both[] = {make<false>(), make<true>()};
}  // namespace tables

// By a whole block of at least 256 threads; before the __syncthreads() that shows it to them.
template <bool is_signed>
GPU_FUNCTION void load_table(CodeTable& table) {
  const unsigned i = threadIdx.x;
  const CodeTable& from = tables::both[is_signed];
  if (i < 256) table.map[i] = from.map[i];
  if (i < CodeLines::segments) {
    table.above[i] = from.above[i], table.last[i] = from.last[i];
    table.slope[i] = from.slope[i], table.offset[i] = from.offset[i];
  }
}

// What a lane has of a block: two quads, 128 elements apart.
constexpr int lane_quads = code_block / (32 * quad);
GPU_FUNCTION int64_t quad_begin(int64_t block, int q) {
  return block * code_block + (q * 32 + threadIdx.x % 32) * quad;
}

// CodeMap::nearest of y in [-1, 1]; y below the normal numbers counts as zero, as on the CPU.
template <bool is_signed>
GPU_FUNCTION uint8_t searched_code(const CodeTable& table, float y, bool is_negative) {
  const auto middle = [&](int i) { return (table.map[i] + table.map[i + 1]) * 0.5f; };
  int code = 0;  // middles that y is greater than
#pragma unroll 1
  for (int step = 128; step > 0; step /= 2)
    if (middle(code + step - 1) < y) code += step;
  if (code < 255 && middle(code) == y) code += code & 1;
  return static_cast<uint8_t>(is_negative ? min(code, CodeMap<is_signed>::zero - 1) : code);
}

template <bool is_signed>
GPU_FUNCTION uint8_t nearest_code(const CodeTable& table, float y) {
  constexpr int zero = CodeMap<is_signed>::zero, some_segment = CodeLines::segments - 1;
  constexpr float smallest = 0x1p-126f;
  const bool is_negative = is_signed && y <= -smallest;
  const float magnitude = is_signed ? fabsf(y) : fmaxf(y, 0.0f);
  const auto decade = static_cast<int>((std::bit_cast<uint32_t>(magnitude) >> 16) * decades_per_bit >> 16);
  int segment = max(decade, lowest_decade);
  if (table.above[segment & some_segment] < magnitude) ++segment;
  segment &= some_segment;
  const auto line = static_cast<int>(fmaf(magnitude, table.slope[segment], table.offset[segment]));
  const int point = min(line, table.last[segment]), code = point >> CodeLines::fraction_bits;
  if (static_cast<uint16_t>(point) <= 2 * CodeLines::margin) return searched_code<is_signed>(table, y, is_negative);
  return static_cast<uint8_t>(is_negative ? zero - max(min(code, 127), 1) : zero + code);
}

// The codes of a block and its absmax, which all lanes get. Where all numbers are zero, or below the normal numbers and
// so count as zero, that is 0 and all codes are that of zero.
template <bool is_signed>
GPU_FUNCTION float encode_block(uint8_t (&codes)[lane_quads][quad], const float (&x)[lane_quads][quad],
                                const CodeTable& table) {
  constexpr float smallest = 0x1p-126f;
  float absmax = 0;
#pragma unroll
  for (int q = 0; q < lane_quads; ++q)
#pragma unroll
    for (int j = 0; j < quad; ++j) absmax = fmaxf(absmax, fabsf(x[q][j]));
  absmax = warp_reduce(absmax, Larger{});
  const bool is_zero = absmax < smallest;
#pragma unroll
  for (int q = 0; q < lane_quads; ++q)
#pragma unroll
    for (int j = 0; j < quad; ++j)
      codes[q][j] = is_zero || fabsf(x[q][j]) < smallest ? CodeMap<is_signed>::zero
                                                         : nearest_code<is_signed>(table, x[q][j] / absmax);
  return is_zero ? 0 : absmax;
}

}  // namespace whisper::cuda
