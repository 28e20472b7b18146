// The inner loop of the classifier: softmax cross-entropy of one row of logits.
#pragma once
#include <cstdint>

namespace whisper::cpu {

struct ClassifierKernels {
  // Returns lse - (1-ε)·logits[label] - ε·mean(logits). If scale is not 0, the logits become scale times its gradient,
  // softmax - (1-ε)·[v = label] - ε/n.
  float (*cross_entropy)(float* logits, int64_t n, int64_t label, float smoothing, float scale);
};

}  // namespace whisper::cpu
