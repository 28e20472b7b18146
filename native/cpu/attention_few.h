// Attention forward for few queries over a long source: what a step of decoding does.
#pragma once
#include "cpu/attention_tiles.h"

namespace whisper::cpu {

constexpr int64_t kFewQueries = 4;  // up to this many, each query reads keys and values once, where they lie

// o and, unless it is null, lse of attention without dropout, size.time <= kFewQueries (ops.def: attention).
void attend_few(const Kernels& kernels, const AttentionSize& size, const Out& o, float* lse, const In& q, const In& k,
                const In& v);

}  // namespace whisper::cpu
