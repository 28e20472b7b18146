// Products by one candidate on the emulated GPU, against sums in f64: what the tests of the candidates share.
#pragma once
#include <string>

#include "cuda/gemm_candidates.h"

namespace whisper::test {

// C[m, n] in one of the three forms of a linear layer, and what is asked for beside.
struct ProductCase {
  enum Form { y, dx, dW };
  Form form;
  int64_t m, n, k;
  DType factors, c;
  struct Beside {
    bool bias = false, add = false, gelu = false, gelu_input = false;
    int64_t gap = 0;         // elements between the rows of every matrix
    bool wide_gelu = false;  // the GELU in f32
    int64_t live = -1;       // rows of A, or steps of k in form dW, that exist; the others are NaN. -1: all
  } beside = {};
};

// Runs the case twice and fails where an element differs by more than rounding and 1e-5 of the largest possible sum
// explain, where the second run has other bits, or where something outside C was written.
void check_product(const cuda::GemmCandidate& candidate, const ProductCase& test);

}  // namespace whisper::test
