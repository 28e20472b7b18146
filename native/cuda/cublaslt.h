// NVIDIA's library of matrix products, bound while the program runs: no header of it, no link with it, and none needed.
// All but one of its structures are only ever seen as handles that it makes itself, for their sizes change from release
// to release; the values of constants are the same in 11.4 to 13.2.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace whisper::cuda {

struct Cublaslt {
  using Handle = struct HandleOf*;
  using Operation = struct OperationOf*;
  using Layout = struct LayoutOf*;
  using Preference = struct PreferenceOf*;
  struct Algorithm {
    uint64_t data[8];
  };
  // cublasLtMatmulHeuristicResult_t
  struct Heuristic {
    Algorithm algorithm;
    size_t workspace;
    int status;
    float waves;
    int reserved[4];
  };
  static_assert(sizeof(Heuristic) == 96);

  enum Type : int { R32F = 0, R16F = 2, R16BF = 14 };
  enum Compute : int { Compute32F = 68 };
  enum OperationAttribute : int { TransposeA = 3, TransposeB = 4, Epilogue = 7, BiasPointer = 8 };
  // Its GELU epilogues are not here: they are the tanh approximation, up to 4·10⁻⁴ off the erf form that Whisper has.
  enum EpilogueKind : int { NoEpilogue = 1, Bias = 4 };
  enum PreferenceAttribute : int { MaxWorkspace = 1, AlignmentA = 5, AlignmentB = 6, AlignmentC = 7, AlignmentD = 8 };

  // Matrices are column by column. Every function but the first returns a cublasStatus_t, 0 for success.
  size_t (*get_version)();
  int (*create)(Handle*);
  int (*operation_create)(Operation*, int compute, int scale_type);
  int (*operation_destroy)(Operation);
  int (*operation_set)(Operation, int attribute, const void*, size_t bytes);
  int (*layout_create)(Layout*, int type, uint64_t rows, uint64_t columns, int64_t leading);
  int (*layout_destroy)(Layout);
  int (*preference_create)(Preference*);
  int (*preference_destroy)(Preference);
  int (*preference_set)(Preference, int attribute, const void*, size_t bytes);
  int (*heuristic)(Handle, Operation, Layout a, Layout b, Layout c, Layout d, Preference, int wanted, Heuristic*,
                   int* found);
  // d = alpha·op(a)·op(b) + beta·c
  int (*multiply)(Handle, Operation, const void* alpha, const void* a, Layout, const void* b, Layout, const void* beta,
                  const void* c, Layout, void* d, Layout, const Algorithm*, void* workspace, size_t workspace_bytes,
                  void* stream);

  std::string file;  // as it was found
};

// Of major version 13 or 12: in the folder, if one is named, and else where the loader looks. Throws DeviceUnavailable,
// and says what was tried.
Cublaslt load_cublaslt(const char* folder);

// Loaded once, from the folder WHISPER_TUNE_CUDA_LIBS (pip has it in site-packages/nvidia/cu13/lib or
// nvidia/cublas/lib, which is searched only if it is named there). Null without one; why_no_cublaslt() says why.
const Cublaslt* cublaslt();
std::string why_no_cublaslt();

}  // namespace whisper::cuda
