// What sm_90a has beyond sm_80: mbarriers, on which copies by TMA complete, and the rendezvous of a warpgroup.
#include "block.h"

namespace whisper::emulator {
namespace {

constexpr int most_copies = 16;
constexpr size_t largest_argument = 192;

struct Barrier {
  const void* address;
  unsigned arrivals, missing;  // of each phase; still to come in this one
  long bytes;                  // that copies still have to bring in this phase; less than none if they came first
  unsigned phase;
  unsigned copies;  // that land at the next wait, the latest moment there is
  struct {
    void (*land)(void*);
    alignas(16) unsigned char argument[largest_argument];
  } copy[most_copies];
};
Barrier barriers[max_barriers];
unsigned barrier_count = 0;

struct Warpgroup {
  const void *a, *b;
  unsigned arrived, turn;
  bool made[2];             // by turn: the slow still ask for the last one when the fast are at the next
  float product[64 * 256];  // is made when all have arrived, so none still reads the last one
};
Warpgroup warpgroups[max_threads / 128];

Barrier& find(const void* address, const Place& place) {
  for (unsigned i = 0; i < barrier_count; ++i)
    if (barriers[i].address == address) return barriers[i];
  fail(place, "mbarrier %p is used before barrier_init", address);
}

void* order(const Barrier& barrier) { return token(barrier_tokens + static_cast<unsigned>(&barrier - barriers)); }

void end_phase_if_done(Barrier& barrier) {
  if (barrier.missing || barrier.bytes) return;
  ++barrier.phase;
  barrier.missing = barrier.arrivals;
}

}  // namespace

void begin_barriers() {
  barrier_count = 0;
  for (Warpgroup& group : warpgroups) group.arrived = group.turn = 0;
}

void barrier_init(const void* address, unsigned arrivals, Place place) {
  for (unsigned i = 0; i < barrier_count; ++i)
    if (barriers[i].address == address) fail(place, "mbarrier %p is initialised twice", address);
  if (barrier_count == max_barriers) fail(place, "more than %u mbarriers", max_barriers);
  if (arrivals == 0) fail(place, "an mbarrier of no arrivals");
  Barrier& barrier = barriers[barrier_count++];
  barrier.address = address;
  barrier.arrivals = barrier.missing = arrivals;
  barrier.bytes = 0;
  barrier.phase = barrier.copies = 0;
}

void barrier_arrive(const void* address, long bytes, Place place) {
  Barrier& barrier = find(address, place);
  sanitizer::release(order(barrier));
  if (barrier.missing == 0)
    fail(place, "mbarrier: more than %u arrivals in a phase whose copies have not landed", barrier.arrivals);
  --barrier.missing;
  barrier.bytes += bytes;
  end_phase_if_done(barrier);
  ++block.events;
}

void barrier_copy(const void* address, void (*land)(void*), const void* argument, size_t bytes, Place place) {
  Barrier& barrier = find(address, place);
  if (barrier.copies == most_copies) fail(place, "more than %d copies on the way to one mbarrier", most_copies);
  if (bytes > largest_argument) fail(place, "a copy described by %zu bytes", bytes);
  auto& copy = barrier.copy[barrier.copies++];
  copy.land = land;
  for (size_t i = 0; i < bytes; ++i) copy.argument[i] = static_cast<const unsigned char*>(argument)[i];
  sanitizer::release(order(barrier));
  ++block.events;
}

void barrier_landed(const void* address, long bytes, Place place) {
  Barrier& barrier = find(address, place);
  barrier.bytes -= bytes;
  end_phase_if_done(barrier);
}

void barrier_wait(const void* address, unsigned parity, Place place) {
  Barrier& barrier = find(address, place);
  while ((barrier.phase & 1) == (parity & 1)) {
    if (barrier.copies == 0) {
      spin("a wait for an mbarrier", place);
      continue;
    }
    const unsigned count = barrier.copies;
    barrier.copies = 0;
    for (unsigned i = 0; i < count; ++i) barrier.copy[i].land(barrier.copy[i].argument);
    sanitizer::release(
        order(barrier));  // the copies are this thread's in ThreadSanitizer's eyes; all who wait see them
    ++block.events;
  }
  sanitizer::acquire(order(barrier));
}

bool meet_warpgroup(const void* a, const void* b, float** out, Place place) {
  if (block.count % 128) fail(place, "wgmma in a block of %u threads, not of whole warpgroups", block.count);
  const unsigned first = current->warp / 4 * 4;
  Warpgroup& group = warpgroups[first / 4];
  const unsigned turn = group.turn & 1;
  if (group.arrived == 0) {
    group.a = a;
    group.b = b;
    group.made[turn] = false;
  } else if (group.a != a || group.b != b) {
    fail(place, "wgmma: threads of one warpgroup give different operands");
  }
  if (++group.arrived == 128) {
    group.arrived = 0;
    ++group.turn;
    for (unsigned w = first; w < first + 4; ++w) block.ready.add(w, whole_warp);
    ++block.events;
  }
  wait("wgmma", place);
  *out = group.product;
  if (group.made[turn]) return false;
  group.made[turn] = true;
  ++statistics.products;
  return true;
}

void* fiber_scratch() {
  Fiber& fiber = running();
  char* const low = const_cast<char*>(fiber.context.stack);
  if (!fiber.scratch_used) sanitizer::fill_unseen(low, 0, scratch_bytes);
  fiber.scratch_used = true;
  return low;
}

}  // namespace whisper::emulator
