// Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// A number depends on the key and the counter alone, so any part of a tensor can be drawn by any thread, or drawn
// again.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace whisper {

class Philox {
 public:
  constexpr explicit Philox(uint64_t key) : key_{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)} {}

  // Four independent 32-bit numbers for this counter.
  constexpr std::array<uint32_t, 4> operator()(uint64_t counter, uint64_t stream = 0) const {
    std::array<uint32_t, 4> x{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                              static_cast<uint32_t>(stream), static_cast<uint32_t>(stream >> 32)};
    uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
      const uint64_t a = uint64_t{0xD2511F53} * x[0], b = uint64_t{0xCD9E8D57} * x[2];
      x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(b),
           static_cast<uint32_t>(a >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(a)};
      k0 += 0x9E3779B9;  // the golden ratio
      k1 += 0xBB67AE85;  // √3 - 1
    }
    return x;
  }

  // Element i of an endless sequence of standard normal numbers (Box-Muller).
  float normal(uint64_t i, uint64_t stream = 0) const {
    const auto x = (*this)(i / 2, stream);
    const double u = (x[0] + 0.5) / 4294967296.0, v = (x[1] + 0.5) / 4294967296.0;
    const double radius = std::sqrt(-2 * std::log(u)), angle = 6.283185307179586 * v;
    return static_cast<float>(radius * (i % 2 ? std::sin(angle) : std::cos(angle)));
  }

 private:
  std::array<uint32_t, 2> key_;
};

// A stream number for a name (FNV-1a), so that a parameter's numbers do not depend on the parameters before it.
constexpr uint64_t stream_of(std::string_view name) {
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace whisper
