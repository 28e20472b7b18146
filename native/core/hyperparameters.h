// What the optimizers' operations are told of a step.
#pragma once

namespace whisper {

struct AdamwHyper {
  double lr = 1e-5;
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double decay = 0;  // of the weights
  int t = 1;         // the step, from 1
};

struct AdafactorHyper {
  double lr = 1e-5;
  double decay = 0;           // of the weights
  double decay_rate = -0.8;   // β2 = 1 - t^decay_rate
  double eps = 1e-30;         // added to the squared gradient
  double clip_threshold = 1;  // of the update's root mean square
  int t = 1;
};

}  // namespace whisper
