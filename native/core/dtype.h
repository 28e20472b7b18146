// Element types of tensors.
#pragma once
#include <cstddef>
#include <cstdint>

namespace whisper {

enum class DType : uint8_t { F32, F16, BF16, I32, I16, U8 };

constexpr size_t size_of(DType type) {
  switch (type) {
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::F16:
    case DType::BF16:
    case DType::I16:
      return 2;
    case DType::U8:
      return 1;
  }
  return 0;
}

constexpr bool is_float(DType type) { return type == DType::F32 || type == DType::F16 || type == DType::BF16; }

constexpr const char* name_of(DType type) {
  switch (type) {
    case DType::F32:
      return "F32";
    case DType::F16:
      return "F16";
    case DType::BF16:
      return "BF16";
    case DType::I32:
      return "I32";
    case DType::I16:
      return "I16";
    case DType::U8:
      return "U8";
  }
  return "?";
}

}  // namespace whisper
