// How many bytes a model and a step of training or evaluation need, known before anything is allocated.
#pragma once
#include <cstdint>

#include "model/dims.h"
#include "optim/training.h"

namespace whisper {

struct PlanOptions {
  std::string device =
      "cpu";  // as open_backend() takes it, or a back end's name: what operations take for themselves differs
  int batch = 1;
  int labels = 448;  // per row
  bool training = true;
  Precision precision = Precision::f32;
  Lora lora;
  TrainingOptions options;
};

// Bytes, but for the last two, which count elements.
struct Plan {
  int64_t weights = 0;  // what layers compute with: in f32 the masters themselves
  int64_t masters = 0;  // f32 copies behind weights of 16 bits; 0 in f32
  int64_t gradients = 0;
  int64_t optimizer = 0;
  int64_t activations = 0;  // the most that a step holds at once beside the above
  int64_t workspace = 0;    // the most that one operation takes for itself while it runs, within the above
  int64_t peak = 0;         // all together
  int64_t parameters = 0;
  int64_t trainable = 0;
};

// Runs the schedule of a real step on a back end that only counts.
Plan plan(const Dims& dims, const PlanOptions& options);

}  // namespace whisper
