// The emulator's body of native/cuda/gpu/hopper.cuh, where what each is for is said. What is asynchronous is done at
// the latest moment that is allowed, and until then its target is NaN: boxes land when a thread waits for their
// barrier, products read their factors and reach their sums in wait_for_products.
#pragma once
#include <gpu/ptx.cuh>
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace whisper::gpu {

struct TileMap {  // of elements of 16 bits
  const uint16_t* address;
  int64_t columns, rows, stride;
  int box_rows;
};
constexpr int box_columns = 64;
TileMap make_tile_map(const char* op, const void* address, int64_t columns, int64_t rows, int64_t stride, int box_rows);

// What a sanitizer of threads cannot see of itself: who started an asynchronous operation precedes it, and it precedes
// who waited for it.
inline void before([[maybe_unused]] void* operation) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(operation);
#endif
}
inline void after([[maybe_unused]] void* operation) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(operation);
#endif
}

using Barrier = unsigned long long;
inline void barrier_init(Barrier* b, int arrivals) {
  emulator::check_aligned(b, 8, "mbarrier");
  emulator::barrier_init(b, static_cast<unsigned>(arrivals));
}
inline void barrier_init_fence() {}
inline void barrier_expect(Barrier* b, int bytes) { emulator::barrier_arrive(b, bytes); }
inline void barrier_arrive(Barrier* b) { emulator::barrier_arrive(b, 0); }
inline void barrier_wait(Barrier* b, int parity) { emulator::barrier_wait(b, static_cast<unsigned>(parity)); }

// Address bits 4-6 with bits 7-9.
template <class T>
T* swizzled(T* p) {
  const auto address = reinterpret_cast<uintptr_t>(p);
  return reinterpret_cast<T*>(address ^ (address >> 7 & 7) << 4);
}

struct TileCopy {
  uint16_t* to;
  TileMap map;
  int column, row;
  Barrier* barrier;

  void land() const {
    after(barrier);
    for (int r = 0; r < map.box_rows; ++r)
      for (int c = 0; c < box_columns; c += 8) {
        uint16_t* const chunk = swizzled(to + r * box_columns + c);
        for (int i = 0; i < 8; ++i) {
          const int64_t y = row + r, x = column + c + i;
          chunk[i] = y >= 0 && y < map.rows && x >= 0 && x < map.columns ? map.address[y * map.stride + x] : 0;
        }
      }
    emulator::barrier_landed(barrier, 2L * map.box_rows * box_columns);
  }
};
inline void copy_tile(void* to, const TileMap* map, int column, int row, Barrier* b) {
  emulator::check_aligned(to, 1024, "the target of a box");
  const TileCopy copy{static_cast<uint16_t*>(to), *map, column, row, b};
  for (int i = 0; i < map->box_rows * box_columns; ++i) copy.to[i] = 0xffff;
  before(b);
  emulator::barrier_copy(
      b, [](void* c) { static_cast<const TileCopy*>(c)->land(); }, &copy, sizeof copy);
}

template <int registers>
void check_registers() {
  static_assert(registers >= 24 && registers <= 256 && registers % 8 == 0);
}
template <int registers>
void give_back_registers() {
  check_registers<registers>();
}
template <int registers>
void ask_for_registers() {
  check_registers<registers>();
}

enum class Major { K, MN };

struct FactorDescriptor {
  const unsigned char* start;
  int leading, stride;  // bytes
};
template <Major major>
FactorDescriptor factor_descriptor(const void* p, int next_box = 16) {
  emulator::check_aligned(p, 16, "a factor");
  return {static_cast<const unsigned char*>(p), next_box, 8 * 128};
}
// Element (row, step of k) of the factor, as the tensor cores find it.
template <Major major>
uint16_t factor_element(const FactorDescriptor& f, int row, int step) {
  const int64_t offset = major == Major::K ? row / 8 * f.stride + row % 8 * 128 + step * 2
                                           : row / 64 * f.leading + step / 8 * f.stride + step % 8 * 128 + row % 64 * 2;
  return *reinterpret_cast<const uint16_t*>(swizzled(f.start + offset));
}

// A warpgroup's products on the way, as one of its threads remembers them.
struct Products {
  struct Sums {
    float* to;
    int count, products;  // those that are still to be added
    float value[128];
  } sums[2];
  struct Product {
    void (*multiply)(const FactorDescriptor&, const FactorDescriptor&, float*);
    FactorDescriptor a, b;
    int sums, group;
  } products[64];
  int count, groups;  // groups that were committed
  bool fenced;
};
inline Products& products() { return *static_cast<Products*>(emulator::fiber_scratch()); }

template <int count>
void warpgroup_fence(float (&)[count]) {
  products().fenced = true;
}
inline void commit_products() {
  ++products().groups;
  products().fenced = false;
}

#define UNWATCHED __attribute__((noinline, no_sanitize("thread"), no_sanitize("address")))

// out[64, 256] = a[64, 16]·b[16, n]
template <int n>
UNWATCHED void multiply_elements(const float (&a)[64][16], const float (&b)[16][n], float* out) {
  for (int i = 0; i < 64; ++i) {
    float row[n] = {};
    for (int k = 0; k < 16; ++k)
      for (int j = 0; j < n; ++j) row[j] += a[i][k] * b[k][j];
    for (int j = 0; j < n; ++j) out[i * 256 + j] = row[j];
  }
}
// A thread's part of out.
UNWATCHED inline void add_part(float* sums, int count, const float* out) {
  const int row = static_cast<int>(emulator::current->warp % 4 * 16 + emulator::current->lane / 4);
  const int column = static_cast<int>(emulator::current->lane % 4 * 2);
  for (int i = 0; i < count; ++i) sums[i] += out[(row + i / 2 % 2 * 8) * 256 + i / 4 * 8 + column + i % 2];
}

template <class T, Major a_major, Major b_major, int n>
void multiply_factors(const FactorDescriptor& a, const FactorDescriptor& b, float* out) {
  float x[64][16], y[16][n];
  for (int k = 0; k < 16; ++k) {
    for (int i = 0; i < 64; ++i) x[i][k] = to_float(T{factor_element<a_major>(a, i, k)});
    for (int j = 0; j < n; ++j) y[k][j] = to_float(T{factor_element<b_major>(b, j, k)});
  }
  multiply_elements<n>(x, y, out);
}

template <class T, Major a_major, Major b_major, int count>
void warpgroup_mma(float (&d)[count], const FactorDescriptor& a, const FactorDescriptor& b) {
  static_assert(count == 64 || count == 128);
  Products& all = products();
  if (!all.fenced) emulator::fail("wgmma: no fence before the first product of a group");
  if (all.count == 64) emulator::fail("wgmma: more than 64 products on the way");
  int i = 0;
  while (i < 2 && !(all.sums[i].products && all.sums[i].to == d)) ++i;
  if (i == 2) i = !all.sums[0].products ? 0 : !all.sums[1].products ? 1 : 2;
  if (i == 2) emulator::fail("wgmma: more than two sets of sums on the way");
  Products::Sums& sums = all.sums[i];
  if (!sums.products) {
    sums.to = d, sums.count = count;
    for (int e = 0; e < count; ++e) sums.value[e] = d[e], d[e] = NAN;
  }
  ++sums.products;
  all.products[all.count++] = {multiply_factors<T, a_major, b_major, 2 * count>, a, b, i, all.groups};
}

template <int pending, int count>
void wait_for_products(float (&)[count]) {
  Products& all = products();
  int done = 0;
  for (; done < all.count && all.products[done].group < all.groups - pending; ++done) {
    const Products::Product& product = all.products[done];
    Products::Sums& sums = all.sums[product.sums];
    float* out;
    if (emulator::meet_warpgroup(product.a.start, product.b.start, &out)) {
      product.multiply(product.a, product.b, out);
      before(out);
    }
    after(out);
    add_part(sums.value, sums.count, out);
    if (--sums.products == 0)
      for (int e = 0; e < sums.count; ++e) sums.to[e] = sums.value[e];
  }
  for (int i = done; i < all.count; ++i) all.products[i - done] = all.products[i];
  all.count -= done;
}

#undef UNWATCHED

}  // namespace whisper::gpu
