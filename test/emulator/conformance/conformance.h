// Whether the wrappers in native/cuda/gpu do the same on a GPU as in the emulator: small kernels, one or two wrappers
// each, on operands that are the same everywhere. The emulator's program writes down what it gets, CUDA's compares what
// the GPU gets (main.cpp).
#pragma once
#include <bit>
#include <cstring>
#include <gpu/launch.cuh>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "core/random.h"

namespace whisper::conformance {

struct Result {
  std::vector<uint32_t> words;
  // For each word, which is then an f32, how far it may be from the emulator's. None: words are compared bit for bit.
  std::vector<float> allowed = {};
};

struct Case {
  const char* name;
  bool hopper;  // runs on sm_90a and nowhere else
  Result (*run)(gpu::Device&);
};
inline std::vector<Case>& cases() {
  static std::vector<Case> list;
  return list;
}
struct Register {
  explicit Register(const Case& c) { cases().push_back(c); }
};

// An array in device memory.
template <class T>
class Array {
 public:
  Array(gpu::Device& device, const std::vector<T>& values)
      : device_(device), bytes_(values.size() * sizeof(T)), address_(device.allocate(bytes_)) {
    void* const pinned = device.allocate_pinned(bytes_);
    if (!address_ || !pinned) fail(Code::OutOfMemory, "conformance: no ", bytes_, " bytes");
    std::memcpy(pinned, values.data(), bytes_);
    device.upload(address_, pinned, bytes_);
    device.synchronize();
    device.release_pinned(pinned);
  }
  Array(gpu::Device& device, size_t count) : Array(device, std::vector<T>(count)) {}
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  ~Array() { device_.release(address_); }

  T* get() const { return static_cast<T*>(address_); }
  // The bits of its values, which are of four bytes.
  std::vector<uint32_t> words() const {
    static_assert(sizeof(T) == sizeof(uint32_t));
    void* const pinned = device_.allocate_pinned(bytes_);
    device_.download(pinned, address_, bytes_);
    device_.synchronize();
    std::vector<uint32_t> words(bytes_ / sizeof(uint32_t));
    std::memcpy(words.data(), pinned, bytes_);
    device_.release_pinned(pinned);
    return words;
  }

 private:
  gpu::Device& device_;
  size_t bytes_;
  void* address_;
};

inline std::vector<uint32_t> random_words(size_t count, uint64_t seed) {
  const Philox random(seed);
  std::vector<uint32_t> words(count);
  for (size_t i = 0; i < count; ++i) words[i] = random(i)[0];
  return words;
}

// Of -1 to 1, by exact operations alone: libraries of other machines have other logarithms.
inline std::vector<float> random_numbers(size_t count, uint64_t seed) {
  std::vector<float> numbers(count);
  const std::vector<uint32_t> words = random_words(count, seed);
  for (size_t i = 0; i < count; ++i) numbers[i] = static_cast<float>(static_cast<int32_t>(words[i])) * 0x1p-31f;
  return numbers;
}

template <class T>
float number_of(T x) {
  return std::is_same_v<T, bf16> ? from_bf16(x.bits) : from_f16(x.bits);
}

template <class T>
std::vector<T> random_factors(size_t count, uint64_t seed) {
  std::vector<T> factors(count);
  const std::vector<float> numbers = random_numbers(count, seed);
  for (size_t i = 0; i < count; ++i)
    factors[i].bits = std::is_same_v<T, bf16> ? to_bf16(numbers[i]) : to_f16(numbers[i]);
  return factors;
}

// Tensor cores add the products of an instruction in an order and to a width of their own: so far a sum may be off,
// beside the sum of the magnitudes of what it adds.
constexpr double sum_tolerance = 1e-6;

}  // namespace whisper::conformance

#define CONFORMS_ON(name, hopper)                                                          \
  static whisper::conformance::Result name(whisper::gpu::Device& device);                  \
  static const whisper::conformance::Register registered_##name({#name, hopper, &(name)}); \
  static whisper::conformance::Result name(whisper::gpu::Device& device)
#define CONFORMS(name) CONFORMS_ON(name, false)
#define CONFORMS_ON_HOPPER(name) CONFORMS_ON(name, true)
