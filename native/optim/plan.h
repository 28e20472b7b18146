// How many bytes a model and a step of training or evaluation need, known before anything is allocated.
#pragma once
#include <cstdint>

#include "model/dims.h"

namespace whisper {

struct PlanOptions {
  int batch = 1;
  int labels = 448;  // per row
  bool training = true;
  bool checkpointing = false;
  bool freeze_encoder = false;
  bool freeze_decoder = false;
};

// Bytes, but for the last two, which count elements.
struct Plan {
  int64_t weights = 0;
  int64_t gradients = 0;
  int64_t optimizer = 0;
  int64_t activations = 0;  // the most that a step holds at once beside the above
  int64_t peak = 0;         // all together
  int64_t parameters = 0;
  int64_t trainable = 0;
};

// Runs the schedule of a real step on a back end that only counts.
Plan plan(const Dims& dims, const PlanOptions& options);

}  // namespace whisper
