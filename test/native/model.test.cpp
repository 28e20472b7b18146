// A whole small model under the sanitizers: training, decoding, saving and loading, with every instruction set.
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "backend.h"
#include "decode/generate.h"
#include "model/whisper.h"
#include "optim/plan.h"
#include "optim/training.h"
#include "test.h"

using namespace whisper;

namespace {

// Sizes that fill no tile: edges are where kernels read too far.
Dims small() {
  Dims d;
  d.mels = 80, d.source = 23, d.target = 12, d.width = 36, d.vocab = 61, d.padding = 50, d.start = 51;
  d.encoder_layers = d.decoder_layers = 2;
  d.encoder_heads = 3, d.decoder_heads = 2;
  d.encoder_ffn = 70, d.decoder_ffn = 54;
  return d;
}

Batch clips(const Dims& dims, int rows) {
  Batch batch;
  batch.time = 5;
  for (int r = 0; r < rows; ++r) {
    std::vector<float> samples(static_cast<size_t>(dims.samples() / (r + 1)));
    for (size_t i = 0; i < samples.size(); ++i)
      samples[i] = std::sin(static_cast<float>(i) * 0.05f * static_cast<float>(r + 1)) / 3;
    batch.samples.push_back(std::move(samples));
    for (int t = 0; t < batch.time; ++t) batch.labels.push_back(t + r > 5 ? -100 : t == 4 ? dims.padding : 7 * r + t);
  }
  batch.mask_spans = {0, 2, 9, 0, dims.mels, rows - 1, 0, dims.frames(), 5, 17};
  return batch;
}

// Runs f once per instruction set of this machine.
template <class F>
void with_every_isa(F f) {
  for (const std::string& isa : device_info().isas) {
    ::setenv("WHISPER_TUNE_ISA", isa.c_str(), 1);
    f();
    ::unsetenv("WHISPER_TUNE_ISA");
  }
}

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
  const auto folder = std::filesystem::temp_directory_path();
  const std::string path = folder / ("whisper-tune-" + std::to_string(::getpid()) + ".safetensors");
  Whisper one(open_backend("cpu"), small()), other(open_backend("cpu"), small());
  one.initialise(Whisper::Initialisation::fan_in, 5);
  one.save(path, {{"format", "pt"}});
  other.load({path});
  std::filesystem::remove(path);
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

TEST(plan_counts_what_a_model_holds) {
  const Plan planned = plan(small(), {.batch = 2, .labels = 5, .training = true});
  Whisper model(open_backend("cpu"), small());
  CHECK(planned.parameters == model.params().count());
  CHECK(planned.trainable > 0 && planned.trainable < planned.parameters);
  CHECK(planned.peak >= planned.weights + planned.gradients + planned.optimizer);
}
