// Shared memory. Each array is a block of the heap that begins as NaN: a sanitizer, or where there is none a guard
// behind it, sees what goes beyond, and who reads what nobody wrote gets NaN. The threads of a block are given the same
// array for the same declaration, or for the same turn of Shared::take.
#include <cstdlib>

#include "block.h"

namespace whisper::emulator {
namespace {

constexpr size_t largest = 227 * 1024;        // of a block on sm_90; static arrays are part of it
constexpr size_t largest_static = 48 * 1024;  // on all
constexpr size_t alignment = 1024;            // the strictest that anything asks for: a tile with the 128-byte swizzle
constexpr unsigned char nan = 0xff;           // in every byte: a NaN in each floating point format
constexpr unsigned char guard = 0xa5;
constexpr size_t guard_bytes = 64;

struct Array {
  const void* key;
  unsigned char* address;
  size_t bytes;
};
struct Arrays {
  Array list[64];
  unsigned count;
  size_t used;
};
Arrays statics, dynamics;
char* fresh =
    nullptr;  // under ThreadSanitizer, where a call of malloc() would count as a write of the thread that asks

unsigned char* allocate(size_t bytes) {
  void* p = nullptr;
  const size_t whole = bytes + (sanitizer::watches_addresses ? 0 : guard_bytes);
  if constexpr (sanitizer::watches_threads) {
    p = fresh;
    fresh += (whole + alignment - 1) / alignment * alignment;
  } else if (posix_memalign(&p, alignment, whole)) {
    std::abort();
  }
  sanitizer::fill_unseen(p, nan, bytes);
  if (!sanitizer::watches_addresses) sanitizer::fill_unseen(static_cast<char*>(p) + bytes, guard, guard_bytes);
  return static_cast<unsigned char*>(p);
}

void* add(Arrays& arrays, const void* key, size_t bytes) {
  if (arrays.count == 64) fail("more than 64 shared arrays");
  if (statics.used + dynamics.used > largest)
    fail("%zu bytes of static and %zu of dynamic shared memory, more than 227 KB", statics.used, dynamics.used);
  Array& array = arrays.list[arrays.count++];
  array = {key, allocate(bytes), bytes};
  return array.address;
}

void end(Arrays& arrays, const char* what) {
  for (unsigned i = 0; i < arrays.count; ++i) {
    const Array& array = arrays.list[i];
    for (size_t k = 0; !sanitizer::watches_addresses && k < guard_bytes; ++k)
      if (array.address[array.bytes + k] != guard)
        fail("%s shared array number %u was written beyond its %zu bytes, by byte %zu behind them", what, i,
             array.bytes, k);
    if (!sanitizer::watches_threads) std::free(array.address);
  }
  arrays.count = 0;
  arrays.used = 0;
}

}  // namespace

void begin_shared() {
  statics.count = dynamics.count = 0;
  statics.used = dynamics.used = 0;
  if constexpr (sanitizer::watches_threads) {
    constexpr size_t pages = (2 * largest + 128 * (alignment + guard_bytes)) / 4096 * 4096;
    static char* const region = sanitizer::map(pages);
    fresh = sanitizer::map(pages, region);
  }
}

void end_shared() {
  end(statics, "static");
  end(dynamics, "dynamic");
}

void* shared_static(const void* key, size_t bytes) {
  for (unsigned i = 0; i < statics.count; ++i)
    if (statics.list[i].key == key) return statics.list[i].address;
  statics.used += bytes;
  if (statics.used > largest_static) fail("%zu bytes of static shared memory, more than 48 KB", statics.used);
  return add(statics, key, bytes);
}

void* shared_dynamic(unsigned ordinal, size_t bytes, size_t part_alignment) {
  if (part_alignment > alignment)
    fail("Shared::take number %u: aligned to %zu, more than 1024", ordinal, part_alignment);
  if (ordinal < dynamics.count) {
    if (dynamics.list[ordinal].bytes != bytes)
      fail("Shared::take number %u: %zu bytes, others took %zu", ordinal, bytes, dynamics.list[ordinal].bytes);
    return dynamics.list[ordinal].address;
  }
  dynamics.used = (dynamics.used + part_alignment - 1) / part_alignment * part_alignment + bytes;
  if (dynamics.used > block.dynamic_bytes)
    fail("Shared::take number %u: %zu bytes are taken, the launch asked for %zu", ordinal, dynamics.used,
         block.dynamic_bytes);
  return add(dynamics, nullptr, bytes);
}

}  // namespace whisper::emulator
