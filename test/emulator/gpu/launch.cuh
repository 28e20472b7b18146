// The emulator's body of native/cuda/gpu/launch.cuh: CUDA's words for a CPU.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>

#include "core/half.h"
#include "cuda/device.h"
#include "emulator.h"

#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __constant__ static const
#define __grid_constant__
#define GPU_FUNCTION inline

#define threadIdx (whisper::emulator::current->thread)
#define blockIdx (whisper::emulator::current->block)
#define blockDim (whisper::emulator::current->threads)
#define gridDim (whisper::emulator::current->blocks)

#define SHARED_ARRAY(T, name, dims) \
  typedef T name##_type dims;       \
  static const char name##_key = 0; \
  name##_type& name = *static_cast<name##_type*>(whisper::emulator::shared_static(&name##_key, sizeof(name##_type)))

struct uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

namespace whisper::gpu {

class Shared {
 public:
  template <class T>
  T* take(unsigned count, unsigned alignment = 128) {
    return static_cast<T*>(emulator::shared_dynamic(parts_++, count * sizeof(T), alignment));
  }

 private:
  unsigned parts_ = 0;
};

template <class... P, class... A>
void launch(Device& device, const char* op, const Grid& grid, void (*kernel)(P...), A&&... arguments) {
  const std::function<void()> run = [kernel, values = std::tuple<std::remove_cv_t<P>...>(arguments...)] {
    std::apply(kernel, values);
  };
  device.launch(op, &run, grid, nullptr);
}

}  // namespace whisper::gpu

inline void __syncthreads(whisper::emulator::Place place = whisper::emulator::Place::current()) {
  whisper::emulator::sync_block(place);
}
inline void __syncwarp(whisper::emulator::Place place = whisper::emulator::Place::current()) {
  whisper::emulator::sync_warp(place);
}

// Shuffles and votes: full warps only. They order no memory, as on a GPU.
namespace whisper::emulator {
template <class T>
T lane_value(unsigned mask, T value, unsigned lane, Place place) {
  static_assert(sizeof(T) <= slot_bytes);
  if (mask != 0xffffffffu) fail(place, "a shuffle of part of a warp, mask %08x", mask);
  const unsigned char* const slots = exchange(&value, sizeof(T), place);
  T other;
  std::memcpy(&other, slots + lane % 32 * slot_bytes, sizeof(T));
  return other;
}
}  // namespace whisper::emulator

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, whisper::emulator::Place place = whisper::emulator::Place::current()) {
  return whisper::emulator::lane_value(mask, value, static_cast<unsigned>(lane), place);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits,
                  whisper::emulator::Place place = whisper::emulator::Place::current()) {
  return whisper::emulator::lane_value(mask, value, whisper::emulator::current->lane ^ static_cast<unsigned>(bits),
                                       place);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance,
                 whisper::emulator::Place place = whisper::emulator::Place::current()) {
  const unsigned lane = whisper::emulator::current->lane;
  return whisper::emulator::lane_value(mask, value, lane < distance ? lane : lane - distance, place);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance,
                   whisper::emulator::Place place = whisper::emulator::Place::current()) {
  const unsigned lane = whisper::emulator::current->lane;
  return whisper::emulator::lane_value(mask, value, lane + distance > 31 ? lane : lane + distance, place);
}
inline unsigned __ballot_sync(unsigned mask, int predicate,
                              whisper::emulator::Place place = whisper::emulator::Place::current()) {
  if (mask != 0xffffffffu) whisper::emulator::fail(place, "a vote of part of a warp, mask %08x", mask);
  const unsigned char bit = predicate != 0;
  const unsigned char* const slots = whisper::emulator::exchange(&bit, sizeof bit, place);
  unsigned votes = 0;
  for (int lane = 0; lane < 32; ++lane)
    votes |= static_cast<unsigned>(slots[lane * whisper::emulator::slot_bytes]) << lane;
  return votes;
}
inline int __any_sync(unsigned mask, int predicate,
                      whisper::emulator::Place place = whisper::emulator::Place::current()) {
  return __ballot_sync(mask, predicate, place) != 0;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }

// Relaxed, as on a GPU. Of floats there are none: their order would decide the sum.
inline int atomicAdd(int* to, int x) { return __atomic_fetch_add(to, x, __ATOMIC_RELAXED); }
inline int atomicCAS(int* to, int expected, int desired) {
  __atomic_compare_exchange_n(to, &expected, desired, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
  return expected;
}

template <class T>
constexpr T min(T a, T b) {
  return a < b ? a : b;
}
template <class T>
constexpr T max(T a, T b) {
  return a > b ? a : b;
}
