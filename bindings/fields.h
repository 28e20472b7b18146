// The fields of every struct that crosses between JavaScript and C++, each once (bindings/convert.h reads these lists),
// and the spellings of enumerations. src/native.ts declares the same for TypeScript.
#pragma once
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "backend.h"
#include "convert.h"
#include "decode/generate.h"
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

void fields(auto& f, Batch& o) {
  f.required("samples", o.samples);
  f.required("labels", o.labels);
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
  f.optional("checkpointing", o.checkpointing);
}

void fields(auto& f, StepOptions& o) {
  f.required("scales", o.scales);
  f.required("learningRate", o.learning_rate);
  f.optional("beta1", o.beta1);
  f.optional("beta2", o.beta2);
  f.optional("epsilon", o.epsilon);
  f.optional("weightDecay", o.weight_decay);
  f.optional("maxGradNorm", o.max_grad_norm);
  f.optional("labelSmoothing", o.label_smoothing);
}

void fields(auto& f, StepResult& o) {
  f.required("losses", o.losses);
  f.required("gradNorm", o.grad_norm);
  f.required("finite", o.finite);
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

void fields(auto& f, PlanOptions& o) {
  f.required("batch", o.batch);
  f.required("labels", o.labels);
  f.required("training", o.training);
  f.optional("checkpointing", o.checkpointing);
  f.optional("freezeEncoder", o.freeze_encoder);
  f.optional("freezeDecoder", o.freeze_decoder);
}

void fields(auto& f, Plan& o) {
  f.required("weights", o.weights);
  f.required("gradients", o.gradients);
  f.required("optimizer", o.optimizer);
  f.required("activations", o.activations);
  f.required("peak", o.peak);
  f.required("parameters", o.parameters);
  f.required("trainable", o.trainable);
}

void fields(auto& f, DeviceInfo& o) {
  f.required("devices", o.devices);
  f.required("isa", o.isa);
  f.required("isas", o.isas);
  f.required("threads", o.threads);
  f.required("cuda", o.cuda);
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
  size_t live = 0, peak = 0;
};
void fields(auto& f, MemoryInfo& o) {
  f.required("live", o.live);
  f.required("peak", o.peak);
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

template <>
struct Spellings<Precision> {
  static constexpr std::array<std::pair<const char*, Precision>, 3> list{
      {{"f32", Precision::f32}, {"f16", Precision::f16}, {"bf16", Precision::bf16}}};
};
template <>
struct Spellings<Whisper::Initialisation> {
  static constexpr std::array<std::pair<const char*, Whisper::Initialisation>, 2> list{
      {{"hf", Whisper::Initialisation::hf}, {"fan_in", Whisper::Initialisation::fan_in}}};
};
template <>
struct Spellings<What> {
  static constexpr std::array<std::pair<const char*, What>, 2> list{{{"value", What::value}, {"grad", What::grad}}};
};

}  // namespace js
}  // namespace whisper
