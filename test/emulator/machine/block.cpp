// See block.h; also __syncthreads().
#include "block.h"

#include <cstdio>

namespace whisper::emulator {

Thread* current = nullptr;
Block block;

namespace {

// The next thread to run, or null when none can.
Fiber* next() {
  if (!block.ready.any()) {
    // All who spin look again, unless nothing has happened since they last did.
    if (block.events_seen == block.events) return nullptr;
    block.events_seen = block.events;
    for (unsigned w = 0; w < block.count / 32; ++w) {
      if (block.spinning[w]) block.ready.add(w, block.spinning[w]);
      block.spinning[w] = 0;
    }
    if (!block.ready.any()) return nullptr;
  }
  return &block.fibers[block.ready.take()];
}

void run_threads();

// Leaves one thread for another, or, where there is none, for the launcher.
void go(Context& from, Fiber* to, bool for_good = false) {
  current = to ? &to->thread : nullptr;
  if (to && !to->begun) {
    to->begun = true;
    begin(to->context, run_threads);
  }
  switch_context(from, to ? to->context : block.launcher, for_good);
}

void end_thread(Fiber& thread) {
  end_copies();
  Warp& warp = block.warps[thread.thread.warp];
  thread.ended = true;
  --block.alive;
  warp.alive &= ~(1u << thread.thread.lane);
  sanitizer::release(after_launch());
  if (block.arrived)
    fail("ends while %u others wait in __syncthreads() at %s:%u", block.arrived, block.place.file_name(),
         block.place.line());
  if (warp.arrived)
    fail("ends while %u lanes of its warp wait in %s at %s:%u", warp.arrived, warp.operation, warp.place.file_name(),
         warp.place.line());
}

// What a stack begins with. Where a thread ends and one that has not begun is next, this one has the stack at once: a
// kernel without barriers runs like a loop. To ThreadSanitizer each thread needs a stack of its own.
void run_threads() {
  sanitizer::arrive(nullptr, block.launcher.stack ? nullptr : reinterpret_cast<const void**>(&block.launcher.stack),
                    block.launcher.stack ? nullptr : &block.launcher.stack_bytes);
  for (;;) {
    block.kernel(block.argument);
    Fiber& ended = running();
    end_thread(ended);
    Fiber* to = next();
    if (to && !to->begun) {
      to->begun = true;
      hand_stack_over(ended.context, to->context);
      current = &to->thread;
      continue;
    }
    give_stack_back(ended.context);
    go(ended.context, to, true);
  }
}

void begin_thread(Fiber& fiber, unsigned linear, Dim3 index, Dim3 threads, Dim3 blocks) {
  fiber.thread = {.thread = {linear % threads.x, linear / threads.x % threads.y, linear / (threads.x * threads.y)},
                  .block = index,
                  .threads = threads,
                  .blocks = blocks,
                  .linear = linear,
                  .lane = linear % 32,
                  .warp = linear / 32};
  fiber.begun = fiber.ended = fiber.scratch_used = false;
  fiber.waits = nullptr;
  if constexpr (sanitizer::watches_threads) {
    fiber.begun = true;
    begin(fiber.context, run_threads);
    char name[128];
    std::snprintf(name, sizeof name, "%s block (%u,%u,%u) thread %u", block.name, index.x, index.y, index.z, linear);
    fiber.context.fiber = sanitizer::make_fiber(name);
  }
}

// ThreadSanitizer gives what it knows a thread by to another when it has ended, in the order of ends, and sees no races
// between the two. So they end in another order each time: what thread 0 of one block had is not thread 0's in the
// next.
void end_fibers() {
  if constexpr (!sanitizer::watches_threads) return;
  static unsigned first = 0;
  first += 7;
  for (unsigned i = 0; i < block.count; ++i)
    sanitizer::end_fiber(block.fibers[(first % (block.count - 1) + 1 + i) % block.count].context.fiber);
}

// Pages whose addresses are tokens. A block begins with fresh ones: it must not come after what the one before
// released.
char* tokens() {
  static char* const pages = sanitizer::map(4096);
  return pages;
}

}  // namespace

void* token(unsigned index) { return sanitizer::watches_threads ? tokens() + 8 * index : nullptr; }

void* after_launch() {
  static uint64_t address;
  return &address;
}

void wait(const char* what, const Place& place) {
  Fiber& thread = running();
  thread.waits = what;
  thread.place = place;
  Fiber* to = next();
  if (to != &thread) go(thread.context, to);
}

void spin(const char* what, const Place& place) {
  block.spinning[current->warp] |= 1u << current->lane;
  wait(what, place);
}

void sync_block(Place place) {
  if (block.alive != block.count)
    fail(place, "__syncthreads() in a block of which %u threads have ended", block.count - block.alive);
  if (block.arrived && block.place.line() != place.line())
    fail(place, "__syncthreads() while others wait in that of %s:%u", block.place.file_name(), block.place.line());
  block.place = place;
  void* const order = token(block.turn & 1);
  sanitizer::release(order);
  if (++block.arrived == block.count) {
    for (unsigned w = 0; w < block.count / 32; ++w) block.ready.add(w, whole_warp);
    block.arrived = 0;
    ++block.turn;
    ++block.events;
    ++statistics.barriers;
  }
  wait("__syncthreads()", place);
  sanitizer::acquire(order);
}

void run_block(Dim3 index, Dim3 threads, Dim3 blocks) {
  block.count = block.alive = threads.x * threads.y * threads.z;
  block.arrived = block.turn = 0;
  block.events = block.events_seen = 0;
  const unsigned warps = block.count / 32;
  block.ready.begin(warps);
  for (unsigned w = 0; w < warps; ++w) {
    block.warps[w].alive = whole_warp;
    block.warps[w].arrived = block.warps[w].turn = 0;
    block.spinning[w] = 0;
    block.ready.add(w, whole_warp);
  }
  begin_shared();
  begin_copies(block.count);
  begin_barriers();
  if constexpr (sanitizer::watches_threads) sanitizer::map(4096, tokens());
  for (unsigned i = 0; i < block.count; ++i) begin_thread(block.fibers[i], i, index, threads, blocks);

  block.launcher.fiber = sanitizer::this_fiber();
  block.launcher.stack = nullptr;  // AddressSanitizer says on arrival
  go(block.launcher, next());

  for (unsigned i = 0; i < block.count; ++i) {
    const Fiber& fiber = block.fibers[i];
    if (!fiber.ended) {
      current = &block.fibers[i].thread;
      fail(fiber.place, "deadlock: waits in %s, and no thread of the block can run", fiber.waits);
    }
  }
  end_fibers();
  end_shared();
}

}  // namespace whisper::emulator
