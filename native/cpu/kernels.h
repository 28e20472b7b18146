// The inner loops of the CPU back end: written once over a vector type (kernels/*.inc), compiled once per instruction
// set (isa/*.cpp), found through one table each, chosen once by cpuid. WHISPER_TUNE_ISA=generic|avx2|avx512 overrides.
#pragma once
#include <string>
#include <vector>

#include "cpu/kernels/attention.h"
#include "cpu/kernels/classifier.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/log_mel.h"
#include "cpu/kernels/optimizer.h"
#include "cpu/kernels/rows.h"

namespace whisper::cpu {

struct Kernels {
  const char* isa;
  GemmKernels gemm;
  AttentionKernels attention;
  ClassifierKernels classifier;
  ElementwiseKernels elementwise;
  OptimizerKernels optimizer;
  RowKernels rows;
  LogMelKernels log_mel;
};

extern const Kernels generic;
#if defined(__x86_64__) || defined(_M_X64)
extern const Kernels avx2, avx512;
#endif

// The table for this machine, or the one WHISPER_TUNE_ISA names. Throws InvalidArgument when that one is unknown or
// this machine lacks it.
const Kernels& best_kernels();

// The tables this machine can run, narrowest first.
std::vector<std::string> supported_isas();

}  // namespace whisper::cpu
