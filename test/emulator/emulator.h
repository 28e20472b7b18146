// Runs CUDA kernels on the CPU, each thread a fiber: what the bodies in gpu/ are made of.
#pragma once
#include <cstddef>
#include <cstdint>

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
extern thread_local Thread* current;

struct Statistics {
  uint64_t blocks, threads, switches, barriers, warp_operations, products, ldmatrix, bank_conflicts, copies;
};
extern Statistics statistics;

// Stops the program with one line that names kernel, block, thread and place.
[[noreturn]] void fail(const char* format, ...);

void launch(const char* name, const gpu::Grid& grid, void (*kernel)(void*), void* argument);

void sync_block(const char* file, int line);
void sync_warp(const char* file, int line, bool fence);
void* shared_static(const void* key, size_t bytes);
void* shared_dynamic(unsigned ordinal, size_t bytes, size_t alignment);

// Publishes up to slot_bytes of this lane and returns those of all 32.
constexpr int slot_bytes = 64;
const unsigned char* exchange(const void* value, size_t bytes);

void warp_mma(float* d, const uint32_t* a, const uint32_t* b, bool bf16);
void count_ldmatrix(const void* const* rows, int matrices);

// Asynchronous copies of a thread. They land at the wait, the latest moment that is allowed.
struct Copy {
  void* to;
  const void* from;
  int bytes, from_bytes;
};
bool copies_land_late();
void start_copy(const Copy& copy);
void commit_copies();
int landing_copies(int pending, const Copy** copies);

// mbarriers and warpgroups
void barrier_init(const void* barrier, unsigned arrivals);
void barrier_arrive(const void* barrier, long bytes);
void barrier_copy(const void* barrier, void (*land)(void*), const void* argument, size_t bytes);
void barrier_landed(const void* barrier, long bytes);
void barrier_wait(const void* barrier, unsigned parity);
bool meet_warpgroup(const void* a, const void* b, float** out);
void* fiber_scratch();

inline void check_aligned(const void* p, unsigned alignment, const char* what) {
  if (reinterpret_cast<uintptr_t>(p) % alignment) fail("%s: address %p is not aligned to %u bytes", what, p, alignment);
}

}  // namespace whisper::emulator
