// Runs CUDA kernels on the CPU, each CUDA thread a fiber: what the bodies in gpu/ are made of. How it works is said in
// machine/, one file for each part of a GPU.
//
// It is made to find faults, so of all that a GPU may do it does what shows them: an asynchronous copy or product lands
// at the last moment that is allowed and its target is NaN until then, shared memory is NaN before it is written, each
// shared array is a heap block of its own, and the order in which threads run can be chosen
// (WHISPER_TUNE_EMULATOR_SCHEDULE, machine/schedule.h). What a kernel may not do ends the process with one line that
// names kernel, block, thread and place. Built with AddressSanitizer it sees accesses beyond arrays, built with
// ThreadSanitizer every pair of accesses that no barrier orders.
#pragma once
#include <cstddef>
#include <cstdint>
#include <source_location>

#include "cuda/device.h"

namespace whisper::emulator {

struct Dim3 {
  unsigned x = 1, y = 1, z = 1;
};

// What a kernel sees of the thread that runs it.
struct Thread {
  Dim3 thread, block, threads, blocks;  // threadIdx, blockIdx, blockDim, gridDim
  unsigned linear, lane, warp;
};
extern Thread* current;  // null outside kernels

// Where a kernel waits or fails: the last parameter of whatever a kernel calls, and its default is the caller's line.
using Place = std::source_location;

// Stops the program with one line that names kernel, block and thread, and the place if one is given.
[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);
[[noreturn, gnu::format(printf, 2, 3)]] void fail(const Place& place, const char* format, ...);

inline void check_aligned(const void* p, unsigned alignment, const char* what, Place place = Place::current()) {
  if (reinterpret_cast<uintptr_t>(p) % alignment) [[unlikely]]
    fail(place, "%s: address %p is not aligned to %u bytes", what, p, alignment);
}

// Runs kernel(argument) for every thread of the grid; done when it returns. From any OS thread, one launch at a time.
void launch(const char* name, const gpu::Grid& grid, void (*kernel)(void*), void* argument);

// What launches did since the process began.
struct Statistics {
  uint64_t blocks, threads, switches, barriers, warp_operations, products, ldmatrix, bank_conflicts, copies;
};
extern Statistics statistics;

// What launches do while f() runs, for tests such as CHECK(counted([&] { … }).bank_conflicts == 0).
template <class F>
Statistics counted(F&& f) {
  const Statistics before = statistics;
  f();
  const Statistics& after = statistics;
  return {after.blocks - before.blocks,
          after.threads - before.threads,
          after.switches - before.switches,
          after.barriers - before.barriers,
          after.warp_operations - before.warp_operations,
          after.products - before.products,
          after.ldmatrix - before.ldmatrix,
          after.bank_conflicts - before.bank_conflicts,
          after.copies - before.copies};
}

// Shared memory: an array of the kernel's, known by its key, and parts in the order in which they are taken.
void* shared_static(const void* key, size_t bytes);
void* shared_dynamic(unsigned ordinal, size_t bytes, size_t alignment);

// __syncthreads() and __syncwarp(): both order memory.
void sync_block(Place place = Place::current());
void sync_warp(Place place = Place::current());

// Publishes up to slot_bytes of this lane; returns those of all 32, lane l at l·slot_bytes. All lanes call it from the
// same place. Orders no memory, as shuffles do not on a GPU. What it returns is valid until the next but one.
constexpr int slot_bytes = 8;
const unsigned char* exchange(const void* value, size_t bytes, Place place = Place::current());

// ldmatrix of four matrices: publishes the address of a row, returns those of all lanes, counts bank conflicts.
const void* const* exchange_rows(const void* row, Place place);

// mma of m16n8k16, see gpu/ptx.cuh.
void warp_mma(float* d, const uint32_t* a, uint32_t b0, uint32_t b1, bool bf16, Place place);

// Asynchronous copies of a thread. They land at the wait: landing_copies() says which, and its caller makes them, in
// code that sanitizers watch, before it starts others.
struct Copy {
  void* to;
  const void* from;
  int bytes, from_bytes;  // bytes beyond from_bytes are zero
  Place place;
};
void start_copy(const Copy& copy);
void commit_copies();
int landing_copies(int pending, const Copy** copies);

// mbarriers. A wait returns when the phase of that parity has ended; copies that complete on the barrier land in it, by
// land(argument) with a copy of what `argument` points to, and report their bytes by barrier_landed().
void barrier_init(const void* barrier, unsigned arrivals, Place place = Place::current());
void barrier_arrive(const void* barrier, long bytes, Place place = Place::current());
void barrier_copy(const void* barrier, void (*land)(void*), const void* argument, size_t bytes,
                  Place place = Place::current());
void barrier_landed(const void* barrier, long bytes, Place place = Place::current());
void barrier_wait(const void* barrier, unsigned parity, Place place = Place::current());

// A rendezvous of the 128 threads of a warpgroup, which give the same a and b. It is true for one of them, which has to
// write the product to out[64][256]; the others find it there, until their next.
bool meet_warpgroup(const void* a, const void* b, float** out, Place place = Place::current());

// 16 KB of memory of this thread, zero when the block begins.
void* fiber_scratch();

}  // namespace whisper::emulator
