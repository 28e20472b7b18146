// TARGET_BEGIN("avx2,fma") … TARGET_END: what lies between is compiled for more than the baseline instruction set.
//
// Per-file -m flags would not do: a standard library function inlined in such a file may be kept by the linker for
// everybody, wide instructions included. So every standard header comes before TARGET_BEGIN, and what lies inside is in
// an anonymous namespace.
#pragma once
#define WHISPER_PRAGMA(x) _Pragma(#x)
#if defined(__clang__)
#define TARGET_BEGIN(features) \
  WHISPER_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TARGET_END _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define TARGET_BEGIN(features) _Pragma("GCC push_options") WHISPER_PRAGMA(GCC target(features))
#define TARGET_END _Pragma("GCC pop_options")
#else
#define TARGET_BEGIN(features)
#define TARGET_END
#endif
