// Runs of floats of any dtype, as kernels read and write them.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "core/half.h"
#include "core/tensor.h"

namespace whisper::cpu {

struct Floats {
  void* address = nullptr;
  DType type = DType::F32;

  Floats(void* address, DType type) : address(address), type(type) {}
  Floats(float* p) : address(p) {}
  explicit operator bool() const { return address != nullptr; }
  Floats operator+(int64_t n) const {  // n elements on
    return {static_cast<std::byte*>(address) + n * static_cast<int64_t>(size_of(type)), type};
  }
};

struct ConstFloats {
  const void* address = nullptr;
  DType type = DType::F32;

  ConstFloats(const void* address, DType type) : address(address), type(type) {}
  ConstFloats(const float* p) : address(p) {}
  ConstFloats(const Floats& other) : address(other.address), type(other.type) {}
  explicit operator bool() const { return address != nullptr; }
  ConstFloats operator+(int64_t n) const {
    return {static_cast<const std::byte*>(address) + n * static_cast<int64_t>(size_of(type)), type};
  }
};

// Row r of an operand (core/tensor.h).
inline ConstFloats row_of(const In& v, int64_t r) { return ConstFloats(v.address, v.dtype) + v.row(r); }
inline Floats row_of(const Out& v, int64_t r) { return Floats(v.address, v.dtype) + v.row(r); }
inline Floats row_of(const Acc& v, int64_t r) { return Floats(v.address, v.dtype) + v.row(r); }

}  // namespace whisper::cpu
