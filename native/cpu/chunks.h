// How much work a thread takes at a time: some microseconds of it, so that taking it costs nothing beside doing it.
#pragma once
#include <algorithm>
#include <cstdint>

namespace whisper::cpu {

constexpr int64_t chunk_elements = 16384;

inline int64_t chunk_rows(int64_t width) { return std::max<int64_t>(1, chunk_elements / std::max<int64_t>(1, width)); }

}  // namespace whisper::cpu
