// The emulator: fibers, rendezvous, shared memory, asynchronous copies. Compiled WITHOUT -fsanitize (so its own bookkeeping is invisible
// to TSan) but with -DGE_ASAN or -DGE_TSAN so that it tells the sanitizer about its fibers.
#include "emulator.h"

#include <immintrin.h>
#include <cstring>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>
#include <sys/mman.h>
#if defined(GE_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(GE_TSAN)
#include <sanitizer/tsan_interface.h>
#endif

namespace whisper::emulator {
thread_local Thread* current = nullptr;
Statistics statistics;
using dim3 = Dim3;
using CpOp = Copy;
constexpr int kMaxXchg = slot_bytes;
struct Config { int order = 0; uint64_t seed = 1; int cp_async_late = 1; };
static Config read_config() { Config c; if (const char* e = getenv("WHISPER_TUNE_EMULATOR_SCHEDULE")) c.order = atoi(e); return c; }
static Config config = read_config();
#define cur current
#define stats statistics
bool copies_land_late() { return config.cp_async_late; }

// ---- context switch (x86-64 System V; other targets would use ucontext)
__attribute__((naked, noinline)) static void ge_switch(void** /*save*/, void* /*load*/) {
  asm volatile(
      "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15;"
      "movq %rsp, (%rdi); movq %rsi, %rsp;"
      "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}
constexpr size_t kStack = 256 * 1024;
constexpr int kMaxCp = 256;
// no libc calls on the kernel side of this file: TSan intercepts them and would see the emulator's own accesses
static inline void copy_bytes(void* d, const void* s, size_t n) { for (size_t i = 0; i < n; i++) { ((volatile char*)d)[i] = ((const char*)s)[i]; } }
enum State : uint8_t { kReady, kAtBlock, kAtWarp, kAtGroup, kSpin, kDone };
struct Fiber {
  Thread t;            // must be first: cur points here
  void* sp;
  char* stack;
  State state;
  const char* file; int line;   // where it waits
  bool scratch;        // fiber_scratch() is in use (the low end of the stack)
  void* fake;          // ASan fake stack
  void* tsan;
  CpOp cp[kMaxCp], landing[kMaxCp];  // cp.async ops in flight, oldest first
  int ncp, open, ngroups, groups[64];  // sizes of the committed groups, oldest first
};
struct Warp { unsigned arrived, alive, gen; int parity[32]; const char* file; int line; bool fence; char sync[2];
  alignas(64) unsigned char slot[2][32][kMaxXchg]; float mma[2][32][4]; bool mma_done[2]; };
struct Group { unsigned arrived, gen; const void *a, *b; float out[64][256]; bool done[2]; };   // a warpgroup and its wgmma result
struct MBar { const void* addr; unsigned count, left, phase; long tx; unsigned nops; struct { void (*fn)(void*); alignas(8) char arg[192]; } ops[16]; char sync; };
struct Shared { const void* key; void* p; size_t n; };
struct Block {
  unsigned n, alive, at_block; const char* bar_file; int bar_line; unsigned gen; char sync[2];
  uint32_t ready[32]; unsigned prio[32], last;   // runnable lanes of each warp; warps in order of priority
  std::vector<Warp> warps; std::vector<Group> groups; MBar bars[64]; unsigned nbars; unsigned spinning; uint64_t progress, spin_progress; Shared stat[32], dyn[32]; unsigned nstat, ndyn; size_t dyn_used, dyn_size; size_t stat_used;
  void (*fn)(void*); void* arg; const char* name; uint64_t rng;
};
static thread_local Block B;
static std::vector<Fiber*> pool;  // kept for the life of the process
static thread_local void *main_sp, *main_fake __attribute__((unused)), *main_tsan; static thread_local const void* main_bottom; static thread_local size_t main_size;

static thread_local bool main_first;
static Fiber* me() { return reinterpret_cast<Fiber*>(cur); }
void fail(const char* fmt, ...) {
  char buf[512]; va_list ap; va_start(ap, fmt); vsnprintf(buf, sizeof buf, fmt, ap); va_end(ap);
  char out[800];
  if (cur) snprintf(out, sizeof out, "emulator: kernel %s block (%u,%u,%u) thread %u: %s", B.name, cur->block.x, cur->block.y, cur->block.z, cur->linear, buf);
  else snprintf(out, sizeof out, "emulator: kernel %s: %s", B.name ? B.name : "?", buf);
  fprintf(stderr, "%s\n", out);
  abort();
}
static uint64_t rnd() { B.rng ^= B.rng << 13; B.rng ^= B.rng >> 7; B.rng ^= B.rng << 17; return B.rng; }

static void switch_raw(void** save, void* to_sp, void** fake_save, const void* to_bottom, size_t to_size, void* to_tsan, bool dying) {
  stats.switches++;
#if defined(GE_ASAN)
  __sanitizer_start_switch_fiber(dying ? nullptr : fake_save, to_bottom, to_size);
#endif
#if defined(GE_TSAN)
  __tsan_switch_to_fiber(to_tsan, 1 /* no sync: threads of a block are unordered unless a barrier orders them */);
#endif
  (void)fake_save; (void)to_bottom; (void)to_size; (void)to_tsan; (void)dying;
  ge_switch(save, to_sp);
}
static void landed(bool from_main = false) {  // first thing on the new stack
  (void)from_main;
#if defined(GE_ASAN)
  __sanitizer_finish_switch_fiber(me()->fake, from_main ? &main_bottom : nullptr, from_main ? &main_size : nullptr);
#endif
}
// Which runnable thread goes next. 0: the lowest warp runs as far as it can, then the next; 1: the highest warp and lane
// first; 2: random warp priorities, redrawn now and then (the probabilistic concurrency testing idea); 3: warps in turn.
static void draw_prio() {
  unsigned nw = B.n / 32;
  for (unsigned i = 0; i < nw; i++) B.prio[i] = config.order == 1 ? nw - 1 - i : i;
  if (config.order == 2) for (unsigned i = nw; i > 1; i--) { unsigned j = rnd() % i, t = B.prio[i - 1]; B.prio[i - 1] = B.prio[j]; B.prio[j] = t; }
}
static Fiber* pick_ready() {
  unsigned nw = B.n / 32;
  if (config.order == 2 && (rnd() & 1023) == 0) draw_prio();
  for (unsigned k = 0; k < nw; k++) {
    unsigned w = config.order == 3 ? (B.last + 1 + k) % nw : B.prio[k];
    uint32_t m = B.ready[w];
    if (!m) continue;
    unsigned l;
    if (config.order == 1) l = 31 - __builtin_clz(m);
    else if (config.order == 2) { unsigned r = rnd() & 31; uint32_t h = m >> r; l = h ? r + __builtin_ctz(h) : __builtin_ctz(m); }
    else l = __builtin_ctz(m);
    B.ready[w] = m & ~(1u << l);
    B.last = w;
    return pool[w * 32 + l];
  }
  return nullptr;
}
static void make_ready(unsigned i);
static Fiber* pick() {
  if (Fiber* f = pick_ready()) return f;
  if (!B.spinning) return nullptr;
  if (B.spin_progress == B.progress) return nullptr;  // every waiter has looked since anything last happened: deadlock
  B.spin_progress = B.progress;
  for (unsigned i = 0; i < B.n; i++) if (pool[i]->state == kSpin) { make_ready(i); B.spinning--; }
  return pick_ready();
}
static void make_ready(unsigned i) { pool[i]->state = kReady; B.ready[i >> 5] |= 1u << (i & 31); }
// leave the running fiber; go to the next runnable one, or back to the launcher
static void yield(bool dying) {
  Fiber* f = me();
  Fiber* g = pick();
  if (g) {
    if (g == f) return;
    cur = &g->t;
    switch_raw(&f->sp, g->sp, &f->fake, g->stack, kStack, g->tsan, dying);
    landed();
  } else {
    cur = nullptr;
    switch_raw(&f->sp, main_sp, &f->fake, main_bottom, main_size, main_tsan, dying);
    landed();
  }
}
static void maybe_open_block_barrier() {
  if (!B.alive || B.at_block != B.alive) return;
  for (unsigned i = 0; i < B.n; i++) if (pool[i]->state == kAtBlock) make_ready(i);
  B.at_block = 0; B.gen++; B.progress++;
  stats.barriers++;
}
static void maybe_open_warp(unsigned w) {
  Warp& W = B.warps[w];
  if (!W.arrived || W.arrived != W.alive) return;
  for (unsigned i = 0; i < 32; i++) if (pool[w * 32 + i]->state == kAtWarp) make_ready(w * 32 + i);
  W.arrived = 0; W.gen++;
  stats.warp_operations++;
}
static void entry() {
  landed(main_first);
  main_first = false;
  B.fn(B.arg);
  Fiber* f = me();
  if (f->ncp) fail("thread exits with %d cp.async copies not waited for", f->ncp);
  f->state = kDone;
  unsigned w = f->t.warp;
  B.alive--; B.warps[w].alive--;
#if defined(GE_TSAN)
  __tsan_release(&main_sp);  // what it wrote is visible after the launch
#endif
  if (B.at_block) fail("thread exits while %u others wait in __syncthreads() at %s:%d (divergent barrier)", B.at_block, B.bar_file, B.bar_line);
  if (B.warps[w].arrived) fail("thread exits while %u lanes of its warp wait at %s:%d (divergent warp operation)", B.warps[w].arrived, B.warps[w].file, B.warps[w].line);
  yield(true);
  abort();
}
static Fiber* get_fiber(unsigned i) {
  while (pool.size() <= i) {
    Fiber* f = new Fiber();
    char* m = (char*)mmap(nullptr, kStack + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) abort();
    mprotect(m, 4096, PROT_NONE);
    f->stack = m + 4096;
    pool.push_back(f);
  }
  return pool[i];
}
static thread_local char* tsan_arena __attribute__((unused)); static thread_local size_t tsan_left __attribute__((unused));
static void* alloc_shared(size_t n) {
#if defined(GE_TSAN)  // malloc would count as a write by this thread, so bump-allocate from a region the launcher mapped
  size_t m = (n + 255) & ~size_t(127);
  tsan_left -= (1024 - (uintptr_t)tsan_arena % 1024) % 1024; tsan_arena += (1024 - (uintptr_t)tsan_arena % 1024) % 1024;
  void* p = tsan_arena; tsan_arena += m; tsan_left -= m;
#else
  void* p = nullptr;    // its own heap block: ASan puts red zones around it
  if (posix_memalign(&p, 1024, n)) abort();
#endif
  for (size_t i = 0; i < n; i++) ((volatile unsigned char*)p)[i] = 0xff;  // NaN in every float format
  return p;
}
void* shared_static(const void* key, size_t n) {
  for (unsigned i = 0; i < B.nstat; i++) if (B.stat[i].key == key) return B.stat[i].p;
  if (B.nstat == 32) fail("too many shared arrays");
  B.stat_used += n;
  if (B.stat_used > 48 * 1024) fail("static shared memory over 48 KB");
  void* p = alloc_shared(n);
  B.stat[B.nstat].key = key; B.stat[B.nstat].p = p; B.stat[B.nstat++].n = n;
  return p;
}
void* shared_dynamic(unsigned ord, size_t n, size_t align) {
  if (ord < B.ndyn) { if (B.dyn[ord].n != n) fail("Shared::take #%u: threads disagree on its size", ord); return B.dyn[ord].p; }
  B.dyn_used = ((B.dyn_used + align - 1) & ~(align - 1)) + n;
  if (B.dyn_used > B.dyn_size) fail("Shared::take #%u: %zu bytes taken, %zu launched with", ord, B.dyn_used, B.dyn_size);
  void* p = alloc_shared(n);
  if (B.ndyn == 32) fail("too many shared arrays");
  B.dyn[B.ndyn].p = p; B.dyn[B.ndyn++].n = n;
  return p;
}
void sync_block(const char* file, int line) {
  Fiber* f = me();
  if (B.at_block == 0) { B.bar_file = file; B.bar_line = line; }
  else if (B.bar_line != line || B.bar_file != file) fail("__syncthreads() at %s:%d while others wait at %s:%d (divergent barrier)", file, line, B.bar_file, B.bar_line);
  f->state = kAtBlock; f->file = file; f->line = line;
  B.at_block++;
  char* s = &B.sync[B.gen & 1]; (void)s;
#if defined(GE_TSAN)
  __tsan_release(s);
#endif
  maybe_open_block_barrier();
  yield(false);
#if defined(GE_TSAN)
  __tsan_acquire(s);
#endif
}
void sync_warp(const char* file, int line, bool fence) {
  Fiber* f = me();
  Warp& W = B.warps[f->t.warp];
  if (W.arrived == 0) { W.file = file; W.line = line; W.fence = fence; }
  else if (W.fence != fence || W.line != line || W.file != file) fail("warp operations diverge: lanes at %s:%d and %s:%d", file, line, W.file, W.line);
  f->state = kAtWarp; f->file = file; f->line = line;
  W.arrived++;
  char* s = &W.sync[W.gen & 1]; (void)s;
#if defined(GE_TSAN)
  if (fence) __tsan_release(s);
#endif
  maybe_open_warp(f->t.warp);
  yield(false);
#if defined(GE_TSAN)
  if (fence) __tsan_acquire(s);
#endif
}
const unsigned char* exchange(const void* src, size_t n) {
  Fiber* f = me();
  Warp& W = B.warps[f->t.warp];
  if (W.alive != 32) fail("warp operation with %u live lanes", W.alive);
  int par = W.gen & 1;
  copy_bytes(W.slot[par][f->t.lane], src, n);
  sync_warp("warp-op", (int)n, false);
  return &W.slot[par][0][0];
}
static inline __m256 eight(const uint16_t* p, bool bf) {
  const __m128i h = _mm_load_si128((const __m128i*)p);
  return bf ? _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16)) : _mm256_cvtph_ps(h);
}
void warp_mma(float* d, const uint32_t* a, const uint32_t* b, bool is_bf16) {
  const float* c = d;
  Fiber* f = me();
  Warp& W = B.warps[f->t.warp];
  if (W.alive != 32) fail("mma with %u live lanes", W.alive);
  int par = W.gen & 1;
  unsigned char* s = W.slot[par][f->t.lane];
  memcpy(s, a, 16); memcpy(s + 16, b, 8); memcpy(s + 24, c, 16);
  W.mma_done[par] = false;
  sync_warp("mma", 16816, false);
  if (!W.mma_done[par]) {  // the first lane to wake computes the tile for all
    W.mma_done[par] = true;
    stats.products++;
    alignas(32) uint16_t A[16][16], Bt[16][8];
    alignas(32) float C[16][8];
    for (int l = 0; l < 32; l++) {
      const unsigned char* q = W.slot[par][l];
      uint32_t ra[4], rb[2]; float rc[4];
      memcpy(ra, q, 16); memcpy(rb, q + 16, 8); memcpy(rc, q + 24, 16);
      int g = l / 4, t = l % 4;
      for (int h = 0; h < 2; h++) {
        A[g][2 * t + h] = ra[0] >> (16 * h); A[g + 8][2 * t + h] = ra[1] >> (16 * h);
        A[g][2 * t + 8 + h] = ra[2] >> (16 * h); A[g + 8][2 * t + 8 + h] = ra[3] >> (16 * h);
        Bt[2 * t + h][g] = rb[0] >> (16 * h); Bt[2 * t + 8 + h][g] = rb[1] >> (16 * h);
        C[g][2 * t + h] = rc[h]; C[g + 8][2 * t + h] = rc[2 + h];
      }
    }
    __m256 bf[16];
    for (int k = 0; k < 16; k++) bf[k] = eight(Bt[k], is_bf16);
    for (int i = 0; i < 16; i++) {
      alignas(32) float af[16];
      _mm256_store_ps(af, eight(&A[i][0], is_bf16));
      _mm256_store_ps(af + 8, eight(&A[i][8], is_bf16));
      __m256 x = _mm256_setzero_ps(), y = _mm256_setzero_ps();
      for (int k = 0; k < 16; k += 2) { x = _mm256_fmadd_ps(_mm256_set1_ps(af[k]), bf[k], x); y = _mm256_fmadd_ps(_mm256_set1_ps(af[k + 1]), bf[k + 1], y); }
      _mm256_store_ps(C[i], _mm256_add_ps(_mm256_load_ps(C[i]), _mm256_add_ps(x, y)));
    }
    for (int l = 0; l < 32; l++) {
      int g = l / 4, t = l % 4; float* o = W.mma[par][l];
      o[0] = C[g][2 * t]; o[1] = C[g][2 * t + 1]; o[2] = C[g + 8][2 * t]; o[3] = C[g + 8][2 * t + 1];
    }
  }
  memcpy(d, W.mma[par][f->t.lane], 16);
}
// ---- Hopper: warpgroup rendezvous and mbarriers
void* fiber_scratch() { Fiber* f = me(); if (!f->scratch) { f->scratch = true; for (int i = 0; i < 16384; i++) ((volatile char*)f->stack)[i] = 0; } return f->stack; }
bool meet_warpgroup(const void* a, const void* b, float** out) {  // true for the one thread that must compute the tile
  Fiber* f = me();
  if (B.n % 128) fail("wgmma needs blocks of whole warpgroups");
  Group& G = B.groups[f->t.warp / 4];
  const unsigned par = G.gen & 1;
  if (G.arrived == 0) { G.a = a; G.b = b; G.done[par] = false; }
  else if (G.a != a || G.b != b) fail("wgmma: threads of the warpgroup give different operands");
  f->state = kAtGroup; f->file = "wgmma"; f->line = 0;
  if (++G.arrived == 128) { G.arrived = 0; G.gen++; B.progress++; for (unsigned i = 0; i < 128; i++) make_ready(f->t.warp / 4 * 128 + i); }
  yield(false);
  *out = &G.out[0][0];
  if (G.done[par]) return false;
  G.done[par] = true;
  stats.products++;
  return true;
}
static MBar& mbar(const void* p) {
  for (unsigned i = 0; i < B.nbars; i++) if (B.bars[i].addr == p) return B.bars[i];
  fail("mbarrier %p used before mbar_init", p);
}
void barrier_init(const void* p, unsigned count) {
  for (unsigned i = 0; i < B.nbars; i++) if (B.bars[i].addr == p) fail("mbarrier initialised twice");
  if (B.nbars == 64) fail("too many mbarriers");
  MBar& m = B.bars[B.nbars++]; m.addr = p; m.count = m.left = count; m.phase = 0; m.tx = 0; m.nops = 0;
}
static void mbar_step(MBar& m) { if (m.left == 0 && m.tx == 0) { m.phase++; m.left = m.count; B.progress++; } }
void barrier_arrive(const void* p, long tx) {
  MBar& m = mbar(p);
#if defined(GE_TSAN)
  __tsan_release(&m.sync);
#endif
  m.tx += tx;
  if (m.left == 0) fail("mbarrier: more arrivals than its count");
  m.left--;
  B.progress++;
  if (m.left == 0 && m.tx == 0) mbar_step(m);
}
void barrier_copy(const void* p, void (*fn)(void*), const void* arg, size_t n) {  // an asynchronous copy that will complete on this barrier
  MBar& m = mbar(p);
  if (m.nops == 16 || n > sizeof m.ops[0].arg) fail("too many bulk copies on one mbarrier");
  m.ops[m.nops].fn = fn; copy_bytes(m.ops[m.nops].arg, arg, n); m.nops++;
#if defined(GE_TSAN)
  __tsan_release(&m.sync);
#endif
  B.progress++;
}
void barrier_landed(const void* p, long bytes) { MBar& m = mbar(p); m.tx -= bytes; if (m.left == 0 && m.tx == 0) mbar_step(m); }
void barrier_wait(const void* p, unsigned parity) {  // returns once the phase of that parity has completed
  MBar& m = mbar(p);
  while ((m.phase & 1) == (parity & 1)) {
    if (m.nops) { unsigned n = m.nops; m.nops = 0; for (unsigned i = 0; i < n; i++) m.ops[i].fn(m.ops[i].arg);  // copies land at the latest moment
#if defined(GE_TSAN)
      __tsan_release(&m.sync);
#endif
      continue; }
    Fiber* f = me(); f->state = kSpin; f->file = "mbarrier wait"; f->line = (int)parity; B.spinning++;
    yield(false);
  }
#if defined(GE_TSAN)
  __tsan_acquire(&m.sync);
#endif
}
void count_ldmatrix(const void* const* r, int nm) {
  stats.ldmatrix++;
  for (int m = 0; m < nm; m++) {  // each 8x8 matrix is one phase: 8 rows of 16 bytes must cover the 32 banks
    int used[8] = {0}, worst = 1;
    for (int i = 0; i < 8; i++) {
      bool dup = false;
      for (int j = 0; j < i; j++) dup |= r[m * 8 + i] == r[m * 8 + j];
      int b = (reinterpret_cast<uintptr_t>(r[m * 8 + i]) / 16) & 7;
      if (!dup && ++used[b] > worst) worst = used[b];
    }
    stats.bank_conflicts += worst - 1;
  }
}
void start_copy(const Copy& c) {
  Fiber* f = me();
  stats.copies++;
  if (f->ncp == kMaxCp) fail("too many cp.async in flight");
  f->cp[f->ncp] = c;
  f->ncp++; f->open++;
}
void commit_copies() { Fiber* f = me(); if (f->ngroups == 64) fail("too many cp.async groups"); f->groups[f->ngroups++] = f->open; f->open = 0; }
int landing_copies(int keep, const Copy** out) {
  Fiber* f = me();
  int n = 0, k = 0;
  while (f->ngroups - k > keep) n += f->groups[k++];
  for (int i = k; i < f->ngroups; i++) f->groups[i - k] = f->groups[i];
  f->ngroups -= k;
  for (int i = 0; i < n; i++) f->landing[i] = f->cp[i];
  for (int i = n; i < f->ncp; i++) f->cp[i - n] = f->cp[i];
  f->ncp -= n;
  *out = f->landing;
  return n;
}
static void run_block(dim3 bid, dim3 g, dim3 b) {
#if defined(GE_TSAN)
  if (tsan_left < (512 << 10)) { tsan_left = 64 << 20; tsan_arena = (char*)mmap(nullptr, tsan_left, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); }
#endif
  B.n = B.alive = b.x * b.y * b.z; B.at_block = 0; B.gen = 0; B.last = ~0u;
  B.stat_used = B.dyn_used = 0; B.nbars = 0; B.spinning = 0; B.progress = 1; B.spin_progress = 0;
  if (B.groups.size() < (B.n + 127) / 128) B.groups.resize((B.n + 127) / 128);
  for (auto& g : B.groups) g.arrived = 0;
  unsigned nw = B.n / 32;
  if (B.warps.size() < nw) B.warps.resize(nw);
  for (unsigned w = 0; w < nw; w++) { B.warps[w].alive = 32; B.warps[w].arrived = 0; B.warps[w].gen = 0; }
  for (unsigned w = 0; w < 32; w++) B.ready[w] = 0;
  draw_prio();
  for (unsigned i = 0; i < B.n; i++) {
    Fiber* f = get_fiber(i);
    f->t.thread = {i % b.x, i / b.x % b.y, i / (b.x * b.y)}; f->t.block = bid; f->t.threads = b; f->t.blocks = g;
    f->t.linear = i; f->t.lane = i & 31; f->t.warp = i >> 5;
    f->ncp = f->open = f->ngroups = 0; f->scratch = false; f->fake = nullptr;
#if defined(GE_ASAN)
    __asan_unpoison_memory_region(f->stack, kStack);
#endif
#if defined(GE_TSAN)
    // a fresh mapping clears TSan's memory of the thread that had this stack in the block before
    if (mmap(f->stack, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != f->stack) abort();
    f->tsan = __tsan_create_fiber(0);
    char nm[64]; snprintf(nm, sizeof nm, "%s block %u,%u,%u thread %u", B.name, bid.x, bid.y, bid.z, i);
    __tsan_set_fiber_name(f->tsan, nm);
#endif
    uint64_t* s = reinterpret_cast<uint64_t*>(f->stack + kStack);
    *--s = 0; *--s = reinterpret_cast<uint64_t>(&entry);
    for (int k = 0; k < 6; k++) *--s = 0;
    f->sp = s;
    make_ready(i);
  }
  Fiber* f0 = pick();
  cur = &f0->t;
  main_first = true;
#if defined(GE_TSAN)
  main_tsan = __tsan_get_current_fiber();
#endif
#if defined(GE_ASAN)
  __sanitizer_start_switch_fiber(&main_fake, f0->stack, kStack);
#endif
#if defined(GE_TSAN)
  __tsan_switch_to_fiber(f0->tsan, 1);
#endif
  ge_switch(&main_sp, f0->sp);
#if defined(GE_ASAN)
  __sanitizer_finish_switch_fiber(main_fake, nullptr, nullptr);
#endif
  if (B.alive) {
    for (unsigned i = 0; i < B.n; i++) if (pool[i]->state != kDone) { fail("deadlock: thread %u waits at %s:%d and nothing can run", i, pool[i]->file, pool[i]->line); }
  }
#if defined(GE_TSAN)
  for (unsigned i = 0; i < B.n; i++) __tsan_destroy_fiber(pool[i]->tsan);
#endif
#if !defined(GE_TSAN)
  for (unsigned i = 0; i < B.nstat; i++) free(B.stat[i].p);
  for (unsigned i = 0; i < B.ndyn; i++) free(B.dyn[i].p);
#endif
  B.nstat = B.ndyn = 0;
}
void launch(const char* name, const gpu::Grid& grid, void (*fn)(void*), void* arg) {
  const dim3 g{(unsigned)grid.x, (unsigned)grid.y, (unsigned)grid.z}, b{(unsigned)grid.threads, 1, 1};
  const size_t smem = grid.shared;
  const unsigned n = b.x;
  B.name = name; B.fn = fn; B.arg = arg; B.dyn_size = smem; B.rng = config.seed * 0x9e3779b97f4a7c15ull | 1;
  if (cur) fail("launch inside a kernel");
  if (n == 0 || n > 1024 || n % 32) fail("block of %u threads (must be a multiple of 32, at most 1024)", n);
  if (smem > 227 * 1024) fail("%zu bytes of dynamic shared memory (at most 227 KB)", smem);
  if (g.y > 65535 || g.z > 65535) fail("grid y or z over 65535");
  for (unsigned z = 0; z < g.z; z++) for (unsigned y = 0; y < g.y; y++) for (unsigned x = 0; x < g.x; x++) {
    run_block(dim3{x, y, z}, g, b);
    stats.blocks++; stats.threads += n;
  }
#if defined(GE_TSAN)
  __tsan_acquire(&main_sp);
#endif
}
}  // namespace whisper::emulator
