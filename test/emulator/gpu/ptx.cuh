// The emulator's body of native/cuda/gpu/ptx.cuh, where what each is for is said.
#pragma once
#include <gpu/numbers.cuh>

namespace whisper::gpu {

using emulator::Place;

// The rows are read by the lanes that get their elements, in code that sanitizers watch.
inline void load_matrices(uint32_t (&r)[4], const void* row, bool transposed, Place place) {
  emulator::check_aligned(row, 16, "ldmatrix", place);
  const auto* const rows = reinterpret_cast<const uint16_t* const*>(emulator::exchange_rows(row, place));
  const unsigned across = emulator::current->lane / 4, along = emulator::current->lane % 4 * 2;
  for (unsigned m = 0; m < 4; ++m) {
    const uint16_t* const* const matrix = rows + 8 * m;
    if (transposed)
      r[m] = matrix[along][across] | static_cast<uint32_t>(matrix[along + 1][across]) << 16;
    else
      std::memcpy(&r[m], matrix[across] + along, sizeof r[m]);
  }
}
inline void ldmatrix(uint32_t (&r)[4], const void* row, Place place = Place::current()) {
  load_matrices(r, row, false, place);
}
inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row, Place place = Place::current()) {
  load_matrices(r, row, true, place);
}

template <class T>
void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Place place = Place::current()) {
  emulator::warp_mma(d, a, b0, b1, std::is_same_v<T, bf16>, place);
}

// The copy itself is made here, in code that sanitizers watch.
inline void land(const emulator::Copy& copy) {
  std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.from_bytes));
  std::memset(static_cast<char*>(copy.to) + copy.from_bytes, 0, static_cast<size_t>(copy.bytes - copy.from_bytes));
}
inline void copy_async(void* to, const void* from, int size, int bytes, Place place) {
  if (bytes < 0 || bytes > size) emulator::fail(place, "cp.async of %d bytes out of %d", bytes, size);
  emulator::check_aligned(to, static_cast<unsigned>(size), "the target of cp.async", place);
  if (bytes) emulator::check_aligned(from, static_cast<unsigned>(size), "the source of cp.async", place);
  std::memset(to, 0xff, static_cast<size_t>(size));  // NaN until it lands
  emulator::start_copy({to, from, size, bytes, place});
}
inline void copy_async16(void* to, const void* from, int bytes = 16, Place place = Place::current()) {
  copy_async(to, from, 16, bytes, place);
}
inline void copy_async4(void* to, const void* from, int bytes = 4, Place place = Place::current()) {
  copy_async(to, from, 4, bytes, place);
}
inline void commit_copies() { emulator::commit_copies(); }
template <int pending>
void wait_for_copies() {
  const emulator::Copy* copies;
  const int count = emulator::landing_copies(pending, &copies);
  for (int i = 0; i < count; ++i) land(copies[i]);
}

}  // namespace whisper::gpu
