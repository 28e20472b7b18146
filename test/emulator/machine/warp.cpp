// The rendezvous of a warp: 32 lanes meet at one operation, the last to arrive does what is to be done for all, and
// they go on. Only __syncwarp() orders memory; a shuffle does not, and ThreadSanitizer is not told that it does.
#include "block.h"

namespace whisper::emulator {
namespace {

// Checks that this lane arrives where the others are. The slots of the operation are those of the turn it returns.
unsigned enter(Warp& warp, const char* operation, const Place& place) {
  if (warp.alive != whole_warp)
    fail(place, "%s of a warp of which %d lanes have ended", operation, 32 - __builtin_popcount(warp.alive));
  if (!warp.arrived) {
    warp.operation = operation;
    warp.place = place;
  } else if (warp.place.line() != place.line() || warp.operation != operation) {
    fail(place, "%s, while other lanes of the warp are at %s of %s:%u", operation, warp.operation,
         warp.place.file_name(), warp.place.line());
  }
  ++warp.arrived;
  return warp.turn & 1;
}

// True for the last lane to arrive, which may then do the work of all before it waits like them.
bool all_have(const Warp& warp) { return warp.arrived == 32; }

void meet(Warp& warp, const char* operation, const Place& place) {
  if (all_have(warp)) {
    warp.arrived = 0;
    ++warp.turn;
    ++statistics.warp_operations;
    block.ready.add(current->warp, whole_warp);
  }
  wait(operation, place);
}

// An 8x8 matrix is read in one go: its 8 rows of 16 bytes have to lie in different ones of the 32 banks of 4 bytes.
void count_conflicts(const void* const* rows) {
  for (int matrix = 0; matrix < 4; ++matrix) {
    int worst = 0, used[8] = {};
    for (int i = 0; i < 8; ++i) {
      const void* const row = rows[matrix * 8 + i];
      bool again = false;  // a row that two lanes give is read once
      for (int j = 0; j < i; ++j) again |= row == rows[matrix * 8 + j];
      const int count = again ? 0 : ++used[reinterpret_cast<uintptr_t>(row) / 16 % 8];
      if (count > worst) worst = count;
    }
    statistics.bank_conflicts += static_cast<uint64_t>(worst - 1);
  }
}

}  // namespace

void sync_warp(Place place) {
  Warp& warp = running_warp();
  const unsigned turn = enter(warp, "__syncwarp()", place);
  void* const order = token(warp_tokens + 2 * current->warp + turn);
  sanitizer::release(order);
  meet(warp, "__syncwarp()", place);
  sanitizer::acquire(order);
}

const unsigned char* exchange(const void* value, size_t bytes, Place place) {
  Warp& warp = running_warp();
  unsigned char* const slots = warp.slots[enter(warp, "a shuffle", place)];
  uint64_t slot = 0;  // in one piece: a call of memcpy() would be an access of the kernel's
  if (bytes == 4)
    slot = *static_cast<const uint32_t*>(value);
  else
    for (size_t i = 0; i < bytes; ++i) slot |= uint64_t{static_cast<const unsigned char*>(value)[i]} << 8 * i;
  *reinterpret_cast<uint64_t*>(slots + current->lane * slot_bytes) = slot;
  meet(warp, "a shuffle", place);
  return slots;
}

const void* const* exchange_rows(const void* row, Place place) {
  static_assert(sizeof row == slot_bytes);
  Warp& warp = running_warp();
  auto* const rows = reinterpret_cast<const void**>(warp.slots[enter(warp, "ldmatrix", place)]);
  rows[current->lane] = row;
  if (all_have(warp)) {
    ++statistics.ldmatrix;
    count_conflicts(rows);
  }
  meet(warp, "ldmatrix", place);
  return rows;
}

void warp_mma(float* d, const uint32_t* a, uint32_t b0, uint32_t b1, bool bf16, Place place) {
  Warp& warp = running_warp();
  const char* const operation = bf16 ? "mma<bf16>" : "mma<f16>";
  enter(warp, operation, place);
  warp.registers[current->lane] = {d, a, b0, b1};
  if (all_have(warp)) {
    ++statistics.products;
    multiply(warp.registers, bf16);
  }
  meet(warp, operation, place);
}

}  // namespace whisper::emulator
