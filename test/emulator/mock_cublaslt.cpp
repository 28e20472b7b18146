// Stands in for libcublasLt.so.13 on a machine without one: it makes products in the memory of the host, and refuses
// what the library would refuse. MOCK_CUBLASLT_VERSION is the version that it says it has; MOCK_CUBLASLT_WRONG has it
// add the first bias everywhere.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/half.h"

namespace {

constexpr int success = 0, invalid_value = 7, not_supported = 15;
enum Type { R32F = 0, R16F = 2, R16BF = 14 };

struct Operation {
  int32_t transpose[2] = {0, 0}, epilogue = 1;
  const float* bias = nullptr;
};
struct Layout {
  int type;
  uint64_t rows, columns;
  int64_t leading;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspace;
  int status;
  float waves;
  int reserved[4];
};
constexpr uint64_t chosen = 0x6c7462756c6173;  // what an algorithm of this library begins with

double load(const Layout& l, const void* data, uint64_t row, uint64_t column) {
  const auto i = row + column * static_cast<uint64_t>(l.leading);
  if (l.type == R32F) return static_cast<const float*>(data)[i];
  const uint16_t bits = static_cast<const uint16_t*>(data)[i];
  return l.type == R16F ? whisper::from_f16(bits) : whisper::from_bf16(bits);
}
void store(const Layout& l, void* data, uint64_t row, uint64_t column, float x) {
  const auto i = row + column * static_cast<uint64_t>(l.leading);
  if (l.type == R32F)
    static_cast<float*>(data)[i] = x;
  else
    static_cast<uint16_t*>(data)[i] = l.type == R16F ? whisper::to_f16(x) : whisper::to_bf16(x);
}

bool is_aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

template <class T>
int set(T& to, const void* from, size_t bytes) {
  if (bytes != sizeof to) return invalid_value;
  std::memcpy(&to, from, bytes);
  return success;
}

}  // namespace

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED size_t cublasLtGetVersion() {
  const char* const version = std::getenv("MOCK_CUBLASLT_VERSION");
  return version ? static_cast<size_t>(std::atoi(version)) : 130000;
}
EXPORTED int cublasLtCreate(void** handle) {
  static int object;
  *handle = &object;
  return success;
}
EXPORTED int cublasLtMatmulDescCreate(Operation** operation, int compute, int scale) {
  if (compute != 68 || scale != R32F) return invalid_value;
  *operation = new Operation;
  return success;
}
EXPORTED int cublasLtMatmulDescDestroy(Operation* operation) {
  delete operation;
  return success;
}
EXPORTED int cublasLtMatmulDescSetAttribute(Operation* operation, int attribute, const void* value, size_t bytes) {
  switch (attribute) {
    case 3:
    case 4:
      return set(operation->transpose[attribute - 3], value, bytes);
    case 7:
      return set(operation->epilogue, value, bytes);
    case 8:
      return set(operation->bias, value, bytes);
    default:
      return invalid_value;
  }
}
EXPORTED int cublasLtMatrixLayoutCreate(Layout** layout, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  if (leading < static_cast<int64_t>(rows) || (type != R32F && type != R16F && type != R16BF)) return invalid_value;
  *layout = new Layout{type, rows, columns, leading};
  return success;
}
EXPORTED int cublasLtMatrixLayoutDestroy(Layout* layout) {
  delete layout;
  return success;
}
EXPORTED int cublasLtMatmulPreferenceCreate(Preference** preference) {
  *preference = new Preference;
  return success;
}
EXPORTED int cublasLtMatmulPreferenceDestroy(Preference* preference) {
  delete preference;
  return success;
}
EXPORTED int cublasLtMatmulPreferenceSetAttribute(Preference* preference, int attribute, const void* value,
                                                  size_t bytes) {
  if (attribute == 1) return set(preference->workspace, value, bytes);
  if (attribute >= 5 && attribute <= 8) return set(preference->alignment[attribute - 5], value, bytes);
  return invalid_value;
}
EXPORTED int cublasLtMatmulAlgoGetHeuristic(void*, const Operation* operation, const Layout* a, const Layout* b,
                                            const Layout*, const Layout* d, const Preference* preference, int wanted,
                                            Heuristic* found, int* count) {
  *count = 0;
  const bool bias = operation->epilogue == 4, plain = operation->epilogue == 1;
  if (wanted < 1 || a->type != b->type || !(plain || (bias && d->type == R32F))) return not_supported;
  for (const uint32_t alignment : preference->alignment)
    if (alignment != 16) return not_supported;
  *found = {};
  found->algorithm[0] = chosen;
  found->workspace = preference->workspace;
  *count = 1;
  return success;
}
EXPORTED int cublasLtMatmul(void*, const Operation* operation, const float* alpha, const void* a,
                            const Layout* a_layout, const void* b, const Layout* b_layout, const float* beta,
                            const void* c, const Layout* c_layout, void* d, const Layout* d_layout,
                            const uint64_t* algorithm, void* workspace, size_t workspace_bytes, void*) {
  if (!is_aligned(a) || !is_aligned(b) || !is_aligned(c) || !is_aligned(d) || !is_aligned(operation->bias) ||
      !workspace || workspace_bytes < (32u << 20) || algorithm[0] != chosen)
    return invalid_value;
  const bool across = operation->transpose[0] != 0, along = operation->transpose[1] != 0;
  const uint64_t steps = across ? a_layout->rows : a_layout->columns;
  if ((along ? b_layout->columns : b_layout->rows) != steps ||
      (across ? a_layout->columns : a_layout->rows) != d_layout->rows ||
      (along ? b_layout->rows : b_layout->columns) != d_layout->columns)
    return invalid_value;
  const bool wrong = std::getenv("MOCK_CUBLASLT_WRONG");
  for (uint64_t column = 0; column < d_layout->columns; ++column)
    for (uint64_t row = 0; row < d_layout->rows; ++row) {
      double sum = 0;
      for (uint64_t k = 0; k < steps; ++k)
        sum += load(*a_layout, a, across ? k : row, across ? row : k) *
               load(*b_layout, b, along ? column : k, along ? k : column);
      sum = *alpha * sum + (*beta != 0 ? *beta * load(*c_layout, c, row, column) : 0);
      if (operation->epilogue == 4) sum += operation->bias[wrong ? 0 : row];
      store(*d_layout, d, row, column, static_cast<float>(sum));
    }
  return success;
}
