// Asks the processor and the operating system for AMX. Linux alone is asked: others want to be asked otherwise.
#include "cpu/amx.h"

#if defined(__linux__) && defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace whisper::cpu {

#if defined(__linux__) && defined(__x86_64__)
namespace {

// Bits of cpuid (Intel's Software Developer's Manual, volume 2A: CPUID), which GCC 12 has no names for.
constexpr uint32_t kOsXsave = 1u << 27;                       // leaf 1, ECX
constexpr uint32_t kAmxBf16 = 1u << 22, kAmxTile = 1u << 24;  // leaf 7, EDX
// The registers whose state the operating system saves: XTILECFG and XTILEDATA in XCR0.
constexpr uint64_t kTileState = uint64_t{3} << 17;
// Linux, Documentation/arch/x86/xstate.rst
constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA

bool ask() {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & kOsXsave)) return false;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & kAmxBf16) || !(d & kAmxTile)) return false;
  uint32_t low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((((uint64_t{high} << 32) | low) & kTileState) != kTileState) return false;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool has_tiles() {
  static const bool answer = ask();
  return answer;
}
#else
bool has_tiles() { return false; }
#endif

}  // namespace whisper::cpu
