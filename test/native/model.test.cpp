// A whole small model under the sanitizers: training, decoding, saving and loading, with every instruction set.
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "backend.h"
#include "decode/generate.h"
#include "folder.h"
#include "model/whisper.h"
#include "optim/plan.h"
#include "optim/training.h"
#include "small_model.h"
#include "test.h"

using namespace whisper;
using namespace whisper::test;

namespace {

std::vector<float> first_losses(Whisper& model, Checkpointing::Policy policy) {
  const Batch batch = clips(model.dims, 3);
  TrainingOptions training_options;
  training_options.checkpointing.policy = policy;
  Training training(model, training_options);
  StepOptions options;
  options.scales = {0.05f, 0.05f};
  options.hyperparameters.encoder_rate = options.hyperparameters.decoder_rate = 1e-2;
  std::vector<float> losses;
  for (int i = 0; i < 6; ++i) {
    const StepResult result = training.step({batch, batch}, options, Cancel());
    CHECK(result.finite && result.losses.size() == 2);
    losses.push_back(result.losses[0].sums[0] + result.losses[0].sums[1]);
  }
  return losses;
}

}  // namespace

TEST(model_learns) {
  with_every_isa([] {
    using Policy = Checkpointing::Policy;
    std::vector<float> plain;
    for (const Policy policy : {Policy::none, Policy::encoder, Policy::all, Policy::every, Policy::selective}) {
      Whisper model(open_backend("cpu"), small());
      model.initialise(Whisper::Initialisation::fan_in, 3);
      const std::vector<float> losses = first_losses(model, policy);
      if (policy == Policy::none) plain = losses;
      CHECK(losses == plain);  // the same bits
    }
    CHECK(plain.back() < 0.8f * plain.front());
  });
}

TEST(model_generates) {
  with_every_isa([] {
    Whisper model(open_backend("cpu"), small());
    model.initialise(Whisper::Initialisation::hf, 4);
    GenerateOptions options;
    options.prompt = {51, 3};
    options.max_length = 12;
    options.end = 50;
    options.suppress = {1, 2};
    options.begin_suppress = {50};
    const auto results = generate(model, clips(model.dims, 3).samples, options, Cancel());
    CHECK(results.size() == 3);
    for (const Generated& g : results) {
      CHECK(!g.tokens.empty() && g.tokens.size() <= 10 && g.tokens.size() == g.logprobs.size());
      for (float p : g.logprobs) CHECK(p <= 0);
    }
  });
}

TEST(model_saves_and_loads) {
  const Folder folder;
  const std::string path = folder.file("model.safetensors");
  Whisper one(open_backend("cpu"), small()), other(open_backend("cpu"), small());
  one.initialise(Whisper::Initialisation::fan_in, 5);
  one.save(path, {{"format", "pt"}});
  other.load({path});
  const Batch batch = clips(one.dims, 2);
  CHECK(one.loss(batch, Cancel()).sums == other.loss(batch, Cancel()).sums);
}

TEST(training_stops_when_asked) {
  Whisper model(open_backend("cpu"), small());
  model.initialise(Whisper::Initialisation::fan_in, 6);
  Training training(model, {});
  StepOptions options;
  options.scales = {1};
  Cancel cancel;
  cancel.request();
  CHECK_THROWS(Cancelled, "cancelled", training.step({clips(model.dims, 2)}, options, cancel));
  CHECK(training.steps_done() == 0);
}

namespace {

std::vector<float> weights(Whisper& model) {
  std::vector<float> host(static_cast<size_t>(model.params().masters().shape.size()));
  model.backend().download(host.data(), model.params().masters().address, host.size() * sizeof(float));
  return host;
}

}  // namespace

TEST(training_skips_steps_that_overflow) {
  Whisper model(open_backend("cpu"), small());
  model.initialise(Whisper::Initialisation::fan_in, 7);
  TrainingOptions options;
  options.loss_scaling = {.kind = LossScaling::Kind::torch, .initial = 0x1p127};
  Training training(model, options);
  StepOptions step;
  step.scales = {0.1f};
  const std::vector<Batch> batches{clips(model.dims, 2)};
  const std::vector<float> before = weights(model);
  int skipped = 0;
  double scale = 0x1p127;
  for (;; ++skipped, scale /= 2) {
    const StepResult result = training.step(batches, step, Cancel());
    CHECK(result.loss_scale == scale);
    if (result.finite) break;
    CHECK(skipped > 0 || !std::isfinite(result.grad_norm));
    CHECK(training.steps_done() == 0 && weights(model) == before);
  }
  CHECK(skipped > 0 && skipped < 20);
  CHECK(training.steps_done() == 1);

  // A factor that is a power of two changes no bit of the update.
  Whisper plain(open_backend("cpu"), small());
  plain.initialise(Whisper::Initialisation::fan_in, 7);
  Training unscaled(plain, {});
  CHECK(unscaled.step(batches, step, Cancel()).finite);
  CHECK(weights(plain) == weights(model));
}

TEST(training_updates_nothing_when_a_step_is_not_finite) {
  Whisper model(open_backend("cpu"), small());
  model.initialise(Whisper::Initialisation::fan_in, 7);
  Training training(model, {});
  StepOptions step;
  step.scales = {3e38f};
  const std::vector<float> before = weights(model);
  for (int i = 0; i < 2; ++i) {
    const StepResult result = training.step({clips(model.dims, 2)}, step, Cancel());
    CHECK(!result.finite && result.loss_scale == 1 && std::isfinite(result.losses[0].sums[0]));
  }
  CHECK(training.steps_done() == 0 && weights(model) == before);
}

TEST(training_refuses_options_without_sense) {
  Whisper model(open_backend("cpu"), small());
  const auto refused = [&](const char* message, auto change) {
    TrainingOptions options;
    change(options);
    CHECK_THROWS(InvalidArgument, message, Training(model, options));
  };
  using Options = TrainingOptions;
  refused("the dropout must be at least 0 and below 1, got 1", [](Options& o) { o.regularization.dropout = 1; });
  refused("the attention dropout", [](Options& o) { o.regularization.attention_dropout = -0.1f; });
  refused("the activation dropout", [](Options& o) { o.regularization.activation_dropout = 2; });
  refused("the encoder layerdrop", [](Options& o) { o.regularization.encoder_layerdrop = 1; });
  refused("the decoder layerdrop must be at least 0 and below 1, got nan",
          [](Options& o) { o.regularization.decoder_layerdrop = std::nanf(""); });
  refused("n of at least 1, got 0", [](Options& o) { o.checkpointing.every = 0; });
  refused("the window must be at least 1, got 0", [](Options& o) { o.loss_scaling.window = 0; });
  refused("both frozen", [](Options& o) { o.freeze_encoder = o.freeze_decoder = true; });

  Training training(model, {});
  StepOptions step;
  step.scales = {std::numeric_limits<float>::infinity()};
  CHECK_THROWS(InvalidArgument, "a batch's scale must be finite, got inf",
               training.step({clips(model.dims, 1)}, step, Cancel()));
}

TEST(plan_counts_what_a_model_holds) {
  const Plan planned = plan(small(), {.batch = 2, .labels = 5, .training = true, .options = {}});
  Whisper model(open_backend("cpu"), small());
  CHECK(planned.parameters == model.params().count());
  CHECK(planned.trainable > 0 && planned.trainable < planned.parameters);
  CHECK(planned.peak >= planned.weights + planned.gradients + planned.optimizer);
}
