// Intel's AMX: whether its tiles, matrices in registers, may be used.
#pragma once

namespace whisper::cpu {

// Few machines have AMX. A build for tests takes plain arrays for the tiles, so that what is made of them can be tested
// on every machine with AVX512_BF16; CMakeLists.txt says which builds those are.
#ifdef WHISPER_TUNE_EMULATED_TILES
inline constexpr bool kEmulatedTiles = true;
#else
inline constexpr bool kEmulatedTiles = false;
#endif

// Whether this processor has tiles with products of bf16 and the operating system lets this process use them, for which
// it is asked: Linux enables their registers, 8 KB per thread, only for processes that want them. Without emulation.
bool has_tiles();

}  // namespace whisper::cpu
