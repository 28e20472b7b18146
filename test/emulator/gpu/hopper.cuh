// The emulator's body of native/cuda/gpu/hopper.cuh, where what each is for is said.
#pragma once
#include <gpu/ptx.cuh>

namespace whisper::gpu {

struct TileMap {  // what cuTensorMapEncodeTiled is told, in elements of 16 bits
  const uint16_t* base;
  int64_t columns, rows, stride;
  int box_columns, box_rows;
};
using Barrier = unsigned long long;

inline void barrier_init(Barrier* b, int arrivals) {
  emulator::check_aligned(b, 8, "mbarrier");
  emulator::barrier_init(b, static_cast<unsigned>(arrivals));
}
inline void barrier_init_fence() {}
inline void barrier_expect(Barrier* b, int bytes) { emulator::barrier_arrive(b, bytes); }
inline void barrier_arrive(Barrier* b) { emulator::barrier_arrive(b, 0); }
inline void barrier_wait(Barrier* b, int parity) { emulator::barrier_wait(b, static_cast<unsigned>(parity)); }

}  // namespace whisper::gpu
