// The order in which tokens are chosen: the larger element first, of equals the one of the lower index, NaN before all.
#pragma once
#include <bit>
#include <cstdint>

namespace whisper {

// An element and where it stands as one number, which is the larger the sooner it is chosen. The bits of floats grow
// with them, but for those of negative ones, which are turned around. Never 0.
constexpr uint64_t key_of(float x, int64_t index) {
  constexpr uint32_t sign = 0x80000000, nan = 0xffffffff;
  const auto bits = std::bit_cast<uint32_t>(x + 0.0f);  // no negative zero
  const uint32_t order = x != x ? nan : bits & sign ? ~bits : bits | sign;
  return static_cast<uint64_t>(order) << 32 | (0xffffffff - static_cast<uint32_t>(index));
}
constexpr int32_t index_of(uint64_t key) { return static_cast<int32_t>(0xffffffff - static_cast<uint32_t>(key)); }

// The most that top_k chooses of a row: both candidates of each beam of a search with 16.
constexpr int most_candidates = 32;

}  // namespace whisper
