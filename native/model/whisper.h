// A Whisper model: parameters, encoder, decoder, and the loss of a batch with its gradients.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend.h"
#include "core/cancel.h"
#include "core/safetensors.h"
#include "model/decoder.h"
#include "model/dims.h"
#include "model/encoder.h"
#include "model/params.h"

namespace whisper {

// A micro-batch as the caller has it, in host memory.
struct Batch {
  std::vector<std::vector<float>> samples;  // mono 16 kHz, each of its real length; cut or zero-padded to the window
  std::vector<int32_t> labels;              // [rows, time], negative = ignored
  // [rows, time], token ids that the decoder reads; empty: the labels shifted right (a prompt is read and not learnt)
  std::vector<int32_t> inputs;
  int time = 0;
  std::vector<int32_t> mask_spans;  // [n, 5]: {row, first frame, end frame, first mel, end mel} set to zero

  int rows() const { return static_cast<int>(samples.size()); }
  void check(const Dims& dims) const;  // throws InvalidArgument or ShapeMismatch
};

// Per row: the sum of the losses of its labels that count, and how many those are.
struct Losses {
  std::vector<float> sums;
  std::vector<int32_t> tokens;

  Losses() = default;
  Losses(const Batch& batch, const float* of_labels);  // in host memory, one per label
};

// Tokens behind those of a checkpoint, and what their embeddings begin as.
struct NewTokens {
  std::vector<int32_t>
      like;           // per token: another token, whose embedding it gets; -1: the mean of all, and a little noise
  uint64_t seed = 0;  // of the noise
};

class Whisper {
 public:
  // Without `trainable`, and beside adapters, weights in 16 bits have no f32 masters: a third of the memory, and no
  // training.
  Whisper(std::shared_ptr<Backend> backend, const Dims& dims, Precision precision = Precision::f32,
          bool trainable = true, const Lora& lora = {});

  const Dims dims;
  const Precision precision;
  Context context() { return {*backend_, dtype_of(precision)}; }
  Backend& backend() { return *backend_; }
  Params& params() { return params_; }

  // Reads every parameter from the files of a checkpoint (one, or shards), but those of adapters. Every name and shape
  // is checked before anything is copied; `proj_out.weight` must equal the embedding or be absent, and names may lack
  // the `model.` prefix. Where there are new tokens, the file's embedding has as many rows less.
  void load(const std::vector<std::string>& files, const NewTokens& tokens = {});
  // Weights with adapters are saved with their products. Those that have no masters are read again from the files they
  // were loaded from, where these are given: they are exact.
  void save(const std::string& path, const std::map<std::string, std::string>& metadata,
            const std::vector<std::string>& exact = {});

  // Adapters: in the file of PEFT (adapter_model.safetensors), from scratch, and into the weights, for a model that is
  // not trained any more; their products then cost nothing.
  void load_adapters(const std::string& path);
  void save_adapters(const std::string& path);
  void initialise_adapters(uint64_t seed);
  void merge_adapters();

  // From scratch: `hf` is transformers' initialisation (normal, std 0.02), `fan_in` scales by the width of the input
  // and starts the decoder's positions as sinusoids, which small models need to learn at all.
  enum class Initialisation { hf, fan_in };
  void initialise(Initialisation scheme, uint64_t seed);

  // Log-mel features of the rows, with the spans masked: [B, frames + 2, mels], the first and last row zero.
  Tensor features(const std::vector<std::vector<float>>& samples, const std::vector<int32_t>& mask_spans = {});

  // features -> audio [B, source, width]
  Tensor encode(Context& c, Tensor features) { return encoder_.forward(c, std::move(features)); }
  Decoder& decoder() { return decoder_; }

  // The loss only (evaluation), and the logits [B, time, vocab] behind it.
  Losses loss(const Batch& batch, const Cancel& cancel);
  Losses loss(Context& c, const Tensor& audio, const Batch& batch);  // of audio that is encoded; the tape is paused
  Tensor logits(Context& c, Tensor features, const Batch& batch);
  // Forward and backward: gradients of scale · Σ losses are added to the parameters' gradients, and the losses go to
  // `losses` [rows · time]. Of a batch that is checked. All of it is queued: nothing waits for the device.
  void accumulate(Context& c, Tensor features, const Batch& batch, float scale, float smoothing, const Tensor& losses);
  Losses read(const Tensor& losses, const Batch& batch);  // waits for them

 private:
  std::vector<float> merged(const Adapter& adapter, const float* file);

  std::shared_ptr<Backend> backend_;
  Params params_;
  Encoder encoder_;
  Decoder decoder_;
};

}  // namespace whisper
