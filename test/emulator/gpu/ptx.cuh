// The emulator's body of native/cuda/gpu/ptx.cuh, where what each is for is said.
#pragma once
#include <gpu/numbers.cuh>

namespace whisper::gpu {

inline void load_matrices(uint32_t (&r)[4], const void* row, bool transposed) {
  emulator::check_aligned(row, 16, "ldmatrix");
  const unsigned char* slots = emulator::exchange(&row, sizeof row);
  const unsigned lane = emulator::current->lane;
  const uint16_t* rows[32];
  for (int i = 0; i < 32; ++i) std::memcpy(&rows[i], slots + i * emulator::slot_bytes, sizeof(void*));
  if (lane == 0) emulator::count_ldmatrix(reinterpret_cast<const void* const*>(rows), 4);
  for (unsigned m = 0; m < 4; ++m) {
    const unsigned across = lane / 4, along = 2 * (lane % 4);
    const uint16_t low = transposed ? rows[m * 8 + along][across] : rows[m * 8 + across][along];
    const uint16_t high = transposed ? rows[m * 8 + along + 1][across] : rows[m * 8 + across][along + 1];
    r[m] = static_cast<uint32_t>(low) | static_cast<uint32_t>(high) << 16;
  }
}
inline void ldmatrix(uint32_t (&r)[4], const void* row) { load_matrices(r, row, false); }
inline void ldmatrix_transposed(uint32_t (&r)[4], const void* row) { load_matrices(r, row, true); }

template <class T>
void mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  const uint32_t b[2] = {b0, b1};
  emulator::warp_mma(d, a, b, std::is_same_v<T, bf16>);
}

// The copy itself is made here, in code that sanitizers watch.
inline void land(const emulator::Copy& copy) {
  std::memcpy(copy.to, copy.from, static_cast<size_t>(copy.from_bytes));
  std::memset(static_cast<char*>(copy.to) + copy.from_bytes, 0, static_cast<size_t>(copy.bytes - copy.from_bytes));
}
inline void copy_async(void* to, const void* from, int size, int bytes) {
  if (bytes < 0 || bytes > size) emulator::fail("cp.async of %d bytes out of %d", bytes, size);
  emulator::check_aligned(to, static_cast<unsigned>(size), "the target of cp.async");
  if (bytes) emulator::check_aligned(from, static_cast<unsigned>(size), "the source of cp.async");
  const emulator::Copy copy{to, from, size, bytes};
  if (!emulator::copies_land_late()) return land(copy);
  std::memset(to, 0xff, static_cast<size_t>(size));  // NaN until it lands
  emulator::start_copy(copy);
}
inline void copy_async16(void* to, const void* from, int bytes = 16) { copy_async(to, from, 16, bytes); }
inline void copy_async4(void* to, const void* from, int bytes = 4) { copy_async(to, from, 4, bytes); }
inline void commit_copies() { emulator::commit_copies(); }
template <int pending>
void wait_for_copies() {
  const emulator::Copy* copies;
  const int count = emulator::landing_copies(pending, &copies);
  for (int i = 0; i < count; ++i) land(copies[i]);
}

}  // namespace whisper::gpu
