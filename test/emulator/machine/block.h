// The block that runs: its threads, what they wait for, and who goes on. Blocks run one after another.
#pragma once
#include "context.h"
#include "products.h"
#include "schedule.h"

namespace whisper::emulator {

inline constexpr unsigned max_threads = 1024;
inline constexpr uint32_t whole_warp = 0xffffffff;

struct Fiber {
  Thread thread;  // first: `current` points to it
  Context context;
  bool begun = false, ended = false;
  bool scratch_used = false;
  const char* waits = nullptr;  // for what, since it ran last
  Place place;                  // and where
};

struct Warp {
  uint32_t alive = 0;    // lanes that have not ended
  unsigned arrived = 0;  // at the operation of the warp at `place`
  const char* operation = nullptr;
  Place place;
  unsigned turn = 0;  // alternates with every operation, so that slow lanes still read the slots of the last one
  alignas(64) unsigned char slots[2][32 * slot_bytes];
  Registers registers[32];  // of an mma, which is made before any lane goes on
};

struct Block {
  const char* name = nullptr;  // of the launch
  void (*kernel)(void*) = nullptr;
  void* argument = nullptr;
  size_t dynamic_bytes = 0;  // of shared memory that the launch asked for

  unsigned count = 0, alive = 0;  // threads
  unsigned arrived = 0;           // at __syncthreads() at `place`
  Place place;
  unsigned turn = 0;  // alternates with every __syncthreads()
  Ready ready;
  uint32_t spinning[max_warps] = {};  // threads that wait for an mbarrier, to look again when something has happened
  uint64_t events = 0, events_seen = 0;
  Fiber fibers[max_threads];
  Warp warps[max_warps];
  Context launcher;
};
extern Block block;

inline Fiber& running() { return *reinterpret_cast<Fiber*>(current); }
inline Warp& running_warp() { return block.warps[current->warp]; }

// Leaves the running thread until it is among block.ready and its turn comes. `what` is what a deadlock is told to be.
void wait(const char* what, const Place& place);
// The same for a thread that is to look again whenever something has happened (++block.events).
void spin(const char* what, const Place& place);

// Runs one block of the launch that `block` describes.
void run_block(Dim3 index, Dim3 threads, Dim3 blocks);

// An address for ThreadSanitizer to order threads by, of this block alone: 0 and 1 are __syncthreads()'s in turn, then
// come two for each warp, then those of mbarriers. `after_launch` is the launch's.
void* token(unsigned index);
inline constexpr unsigned warp_tokens = 2, barrier_tokens = warp_tokens + 2 * max_warps, max_barriers = 64;
void* after_launch();

// The other parts of a block, when it begins and when it has ended.
void begin_shared();
void end_shared();
void begin_copies(unsigned threads);
void end_copies();  // of the running thread
void begin_barriers();

}  // namespace whisper::emulator
