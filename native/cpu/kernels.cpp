// Which kernel tables this machine can run, and which one it should.
#include "cpu/kernels.h"

#include <cstdlib>

#include "core/error.h"
#include "cpu/amx.h"

namespace whisper::cpu {
namespace {

// The tables this machine can run, narrowest first. That of AVX512_BF16 stands before that of AVX-512 where its dot
// products are no faster than FMAs: on Intel's processors they take twice as long as AMD's.
std::vector<const Kernels*> runnable() {
  std::vector<const Kernels*> tables{&generic};
#if defined(__x86_64__) || defined(_M_X64)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))
    tables.push_back(&avx2);
  if (tables.size() == 2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    tables.push_back(&avx512);
  if (tables.size() == 3 && __builtin_cpu_supports("avx512bf16"))
    tables.insert(tables.end() - (__builtin_cpu_is("amd") ? 0 : 1), &avx512bf16);
  if (tables.size() == 4 && (kEmulatedTiles || has_tiles())) tables.push_back(&amx);
#endif
  return tables;
}

}  // namespace

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (const Kernels* table : runnable()) names.emplace_back(table->isa);
  return names;
}

const Kernels& best_kernels() {
  const std::vector<const Kernels*> tables = runnable();
  const char* name = std::getenv("WHISPER_TUNE_ISA");
  if (!name || !*name) return *tables.back();
  std::string offered;
  for (const Kernels* table : tables) {
    if (name == std::string(table->isa)) return *table;
    if (!offered.empty()) offered += ", ";
    offered += table->isa;
  }
  fail(Code::InvalidArgument, "WHISPER_TUNE_ISA: this machine can run ", offered, ", not \"", name, "\"");
}

}  // namespace whisper::cpu
