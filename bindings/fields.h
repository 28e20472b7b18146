// The fields of every struct that crosses between JavaScript and C++, each once (bindings/convert.h reads these lists),
// and the spellings of enumerations that no file knows. src/native.ts declares the same for TypeScript.
#pragma once
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "backend.h"
#include "convert.h"
#include "decode/evaluate.h"
#include "model/whisper.h"
#include "optim/plan.h"
#include "optim/training.h"

namespace whisper {

void fields(auto& f, Dims& o) {
  f.required("mels", o.mels);
  f.required("source", o.source);
  f.required("target", o.target);
  f.required("width", o.width);
  f.required("encoderLayers", o.encoder_layers);
  f.required("encoderHeads", o.encoder_heads);
  f.required("encoderFfn", o.encoder_ffn);
  f.required("decoderLayers", o.decoder_layers);
  f.required("decoderHeads", o.decoder_heads);
  f.required("decoderFfn", o.decoder_ffn);
  f.required("vocab", o.vocab);
  f.required("padding", o.padding);
  f.required("start", o.start);
}

void fields(auto& f, Dropout& o) {
  f.optional("rate", o.rate);
  f.optional("key", o.key);
  f.optional("stream", o.stream);
}

void fields(auto& f, Sampling& o) {
  f.required("temperature", o.temperature);
  f.optional("key", o.key);
  f.optional("step", o.step);
}

void fields(auto& f, TimestampRules& o) {
  f.required("begin", o.begin);
  f.required("endOfText", o.end_of_text);
  f.required("noTimestamps", o.no_timestamps);
  f.optional("maxInitial", o.max_initial);
}

void fields(auto& f, AdamwHyper& o) {
  f.required("lr", o.lr);
  f.optional("beta1", o.beta1);
  f.optional("beta2", o.beta2);
  f.optional("eps", o.eps);
  f.optional("decay", o.decay);
  f.required("t", o.t);
}

void fields(auto& f, AdafactorHyper& o) {
  f.required("lr", o.lr);
  f.optional("decay", o.decay);
  f.optional("decayRate", o.decay_rate);
  f.optional("eps", o.eps);
  f.optional("clipThreshold", o.clip_threshold);
  f.required("t", o.t);
}

void fields(auto& f, Lora& o) {
  f.required("rank", o.rank);
  f.required("scale", o.scale);
  f.optional("dropout", o.dropout);
  f.required("modules", o.modules);
}

void fields(auto& f, NewTokens& o) {
  f.required("like", o.like);
  f.required("seed", o.seed);
}

void fields(auto& f, Batch& o) {
  f.required("samples", o.samples);
  f.required("labels", o.labels);
  f.optional("inputs", o.inputs);
  f.required("time", o.time);
  f.optional("maskSpans", o.mask_spans);
}

void fields(auto& f, Losses& o) {
  f.required("sums", o.sums);
  f.required("tokens", o.tokens);
}

void fields(auto& f, TrainingOptions& o) {
  f.optional("freezeEncoder", o.freeze_encoder);
  f.optional("freezeDecoder", o.freeze_decoder);
  f.optional("trainEncoderPositions", o.train_encoder_positions);
  f.optional("checkpointing", o.checkpointing.policy);
  f.optional("checkpointEvery", o.checkpointing.every);
  f.optional("optimizer", o.optimizer.name);
  f.optional("eightBitEmbeddings", o.optimizer.eight_bit_embeddings);
  f.optional("guardVanished", o.optimizer.guard_vanished);
  f.optional("lossScaler", o.loss_scaling.kind);
  f.optional("initialLossScale", o.loss_scaling.initial);
  f.optional("lossScaleWindow", o.loss_scaling.window);
  f.optional("lossScaleHysteresis", o.loss_scaling.hysteresis);
  f.optional("minLossScale", o.loss_scaling.minimum);
  f.optional("dropout", o.regularization.dropout);
  f.optional("attentionDropout", o.regularization.attention_dropout);
  f.optional("activationDropout", o.regularization.activation_dropout);
  f.optional("encoderLayerdrop", o.regularization.encoder_layerdrop);
  f.optional("decoderLayerdrop", o.regularization.decoder_layerdrop);
  f.optional("seed", o.seed);
}

void fields(auto& f, StepOptions& o) {
  f.required("scales", o.scales);
  f.required("encoderRate", o.hyperparameters.encoder_rate);
  f.required("decoderRate", o.hyperparameters.decoder_rate);
  f.optional("beta1", o.hyperparameters.beta1);
  f.optional("beta2", o.hyperparameters.beta2);
  f.optional("epsilon", o.hyperparameters.epsilon);
  f.optional("weightDecay", o.hyperparameters.weight_decay);
  f.optional("maxGradNorm", o.max_grad_norm);
  f.optional("labelSmoothing", o.label_smoothing);
}

void fields(auto& f, StepResult& o) {
  f.required("losses", o.losses);
  f.required("gradNorm", o.grad_norm);
  f.required("finite", o.finite);
  f.required("lossScale", o.loss_scale);
}

void fields(auto& f, GenerateOptions& o) {
  f.required("prompt", o.prompt);
  f.required("maxLength", o.max_length);
  f.required("end", o.end);
  f.optional("suppress", o.suppress);
  f.optional("beginSuppress", o.begin_suppress);
}

void fields(auto& f, Generated& o) {
  f.required("tokens", o.tokens);
  f.required("logprobs", o.logprobs);
}

void fields(auto& f, Evaluated& o) {
  f.required("losses", o.losses);
  f.required("texts", o.texts);
}

void fields(auto& f, PlanOptions& o) {
  f.required("batch", o.batch);
  f.required("labels", o.labels);
  f.required("training", o.training);
  f.optional("device", o.device);
  f.optional("precision", o.precision);
  f.optional("lora", o.lora);
  f.optional("options", o.options);
}

void fields(auto& f, Plan& o) {
  f.required("weights", o.weights);
  f.required("masters", o.masters);
  f.required("gradients", o.gradients);
  f.required("optimizer", o.optimizer);
  f.required("activations", o.activations);
  f.required("workspace", o.workspace);
  f.required("peak", o.peak);
  f.required("parameters", o.parameters);
  f.required("trainable", o.trainable);
}

void fields(auto& f, Gpu& o) {
  f.required("device", o.device);
  f.required("name", o.name);
  f.required("capability", o.capability);
  f.required("memory", o.memory);
  f.required("problem", o.problem);
}

void fields(auto& f, DeviceInfo& o) {
  f.required("devices", o.devices);
  f.required("isa", o.isa);
  f.required("isas", o.isas);
  f.required("threads", o.threads);
  f.required("cuda", o.cuda);
  f.required("gpus", o.gpus);
}

void fields(auto& f, Roof& o) {
  f.required("oneThread", o.one_thread);
  f.required("allThreads", o.all_threads);
}

namespace js {

// A tensor in host memory, in the checkpoint's layout where it is a parameter.
struct HostTensor {
  std::vector<int64_t> shape;
  std::vector<float> data;
};
void fields(auto& f, HostTensor& o) {
  f.required("shape", o.shape);
  f.required("data", o.data);
}

struct ParameterInfo {
  std::string name;
  std::vector<int64_t> shape;
};
void fields(auto& f, ParameterInfo& o) {
  f.required("name", o.name);
  f.required("shape", o.shape);
}

struct MemoryInfo {
  size_t live = 0, peak = 0, available = 0;
};
void fields(auto& f, MemoryInfo& o) {
  f.required("live", o.live);
  f.required("peak", o.peak);
  f.required("available", o.available);
}

struct LogMel {
  std::vector<float> data;
  int64_t frames = 0;
  int mels = 0;
};
void fields(auto& f, LogMel& o) {
  f.required("data", o.data);
  f.required("frames", o.frames);
  f.required("mels", o.mels);
}

enum class What { value, grad };

}  // namespace js

template <>
struct Spellings<Checkpointing::Policy> {
  using P = Checkpointing::Policy;
  static constexpr std::array<std::pair<const char*, P>, 5> list{
      {{"none", P::none}, {"encoder", P::encoder}, {"all", P::all}, {"every", P::every}, {"selective", P::selective}}};
};
template <>
struct Spellings<Whisper::Initialisation> {
  static constexpr std::array<std::pair<const char*, Whisper::Initialisation>, 2> list{
      {{"hf", Whisper::Initialisation::hf}, {"fan_in", Whisper::Initialisation::fan_in}}};
};
template <>
struct Spellings<js::What> {
  static constexpr std::array<std::pair<const char*, js::What>, 2> list{
      {{"value", js::What::value}, {"grad", js::What::grad}}};
};

}  // namespace whisper
