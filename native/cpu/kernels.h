// The inner loops of the CPU back end: written once over a vector type (kernels/*.inc), compiled once per instruction
// set (isa/*.cpp), found through one table each, chosen once by cpuid. WHISPER_TUNE_ISA overrides the choice:
// generic, avx2, avx512, and those of AVX-512 with matrix products of bf16: avx512bf16 and amx.
#pragma once
#include <string>
#include <vector>

#include "cpu/kernels/attention.h"
#include "cpu/kernels/classifier.h"
#include "cpu/kernels/decode.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/log_mel.h"
#include "cpu/kernels/optimizer.h"
#include "cpu/kernels/rows.h"

namespace whisper::cpu {

struct Kernels {
  const char* isa;
  GemmKernels gemm;
  RowProductKernels row_products;
  AttentionKernels attention;
  DecodeKernels decode;
  ClassifierKernels classifier;
  ElementwiseKernels elementwise;
  OptimizerKernels optimizer;
  RowKernels rows;
  LogMelKernels log_mel;
  const ScoreKernels* bf16_scores = nullptr;  // of every table that has the next
  const GemmKernels* bf16_gemm = nullptr;     // where bf16 products are faster than those of f32
  const GemmKernels* split_gemm = nullptr;    // products of f32 by those of bf16
  DotsOfBf16 bf16_dots = nullptr;             // decode.dots by pairs

  // Products whose factors are stored in bf16 are made in bf16 where the table can, others in f32, unless `split`.
  const GemmKernels& products(DType stored, bool split = false) const {
    if (stored == DType::BF16 && bf16_gemm) return *bf16_gemm;
    return stored == DType::F32 && split && split_gemm ? *split_gemm : gemm;
  }
  // What makes the factors of those products out of scores.
  const ScoreKernels& scores(DType stored) const {
    return stored == DType::BF16 && bf16_gemm ? *bf16_scores : attention.scores;
  }
};

extern const Kernels generic;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels avx2, avx512, avx512bf16, amx;
#endif

// The table for this machine, or the one WHISPER_TUNE_ISA names. Throws InvalidArgument when that one is unknown or
// this machine lacks it.
const Kernels& best_kernels();

// The tables this machine can run, narrowest first.
std::vector<std::string> supported_isas();

}  // namespace whisper::cpu
