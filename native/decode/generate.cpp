// The token loop of greedy decoding (openai/whisper decoding.py: GreedyDecoder at temperature 0).
#include "decode/generate.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"

namespace whisper {

namespace {

void check(const GenerateOptions& o, const Dims& dims) {
  const auto token = [&](const char* what, int32_t id) {
    if (id < 0 || id >= dims.vocab)
      fail(Code::InvalidArgument, "generate: ", what, " token ", id, " is outside the vocabulary of ", dims.vocab);
  };
  if (o.prompt.empty()) fail(Code::InvalidArgument, "generate: the prompt is empty");
  for (int32_t id : o.prompt) token("prompt", id);
  for (int32_t id : o.suppress) token("suppressed", id);
  for (int32_t id : o.begin_suppress) token("suppressed", id);
  token("end", o.end);
  if (o.max_length <= static_cast<int>(o.prompt.size()) || o.max_length > dims.target)
    fail(Code::InvalidArgument, "generate: max_length ", o.max_length, ", expected more than the prompt's ",
         o.prompt.size(), " and at most ", dims.target, " (max_target_positions)");
}

// 0 for a token that may come, -∞ for one that may not.
Tensor mask_of(Backend& backend, int vocab, std::initializer_list<const std::vector<int32_t>*> suppressed) {
  std::vector<float> mask(vocab, 0.0f);
  for (const auto* list : suppressed)
    for (int32_t id : *list) mask[id] = -std::numeric_limits<float>::infinity();
  return backend.from_host(mask.data(), {vocab});
}

// The rows of a [B, ..] tensor that go on.
Tensor kept(Backend& backend, const Tensor& t, const Tensor& index) {
  Shape shape = t.shape;
  shape.dims[0] = index.shape[0];
  Tensor y = backend.empty(shape, t.dtype);
  const Shape flat{t.shape[0], t.shape.size() / t.shape[0]}, flat_kept{shape[0], flat[1]};
  backend.gather(y.reshaped(flat_kept), t.reshaped(flat), index);
  return y;
}

void keep(Backend& backend, std::vector<BlockCache>& caches, const Tensor& index) {
  for (BlockCache& cache : caches)
    for (Tensor* t : {&cache.self.keys, &cache.self.values, &cache.audio.keys, &cache.audio.values})
      *t = kept(backend, *t, index);
}

// The last row in time of each batch entry: [B, T, W] -> a strided view [B, 1, W].
Tensor last_row(const Tensor& x) {
  const int64_t time = x.shape[1], width = x.shape[2];
  return x.strided((time - 1) * width, {x.shape[0], 1, width}, width, time * width);
}

}  // namespace

std::vector<Generated> generate(Whisper& model, const std::vector<std::vector<float>>& samples,
                                const GenerateOptions& o, const Cancel& cancel) {
  check(o, model.dims);
  std::vector<Generated> results(samples.size());
  if (samples.empty()) return results;
  Backend& backend = model.backend();
  Context c = model.context();
  c.cancel = &cancel;
  return c.tape.paused([&] {
    const Tensor first_mask = mask_of(backend, model.dims.vocab, {&o.suppress, &o.begin_suppress});
    const Tensor mask = mask_of(backend, model.dims.vocab, {&o.suppress});
    const int64_t prompt = static_cast<int64_t>(o.prompt.size());

    std::vector<int> running(samples.size());  // which result each row of the batch belongs to
    std::iota(running.begin(), running.end(), 0);
    std::vector<int32_t> next;
    for (size_t r = 0; r < samples.size(); ++r) next.insert(next.end(), o.prompt.begin(), o.prompt.end());

    std::vector<BlockCache> caches = model.decoder().caches(c, model.encode(c, model.features(samples)), o.max_length);
    for (int64_t position = 0, time = prompt; position + time < o.max_length; position += time, time = 1) {
      cancel.check();
      const int64_t rows = static_cast<int64_t>(running.size());
      const Tensor tokens = backend.from_host(next.data(), {rows, time}, DType::I32);
      const Tensor x = model.decoder().cached(c, tokens, caches, position);
      const Tensor logits = model.decoder().logits(c, last_row(x)).reshaped({rows, model.dims.vocab});
      Tensor chosen = backend.empty({rows}, DType::I32), logprobs = backend.empty({rows});
      backend.argmax(chosen, logprobs, logits, position == 0 ? first_mask : mask);

      next.assign(rows, 0);
      std::vector<float> probabilities(rows, 0.0f);
      backend.synchronize();
      backend.download(next.data(), chosen.address, rows * sizeof(int32_t));
      backend.download(probabilities.data(), logprobs.address, rows * sizeof(float));

      std::vector<int32_t> going_on;
      for (int64_t r = 0; r < rows; ++r) {
        results[running[r]].tokens.push_back(next[r]);
        results[running[r]].logprobs.push_back(probabilities[r]);
        if (next[r] != o.end) going_on.push_back(static_cast<int32_t>(r));
      }
      if (going_on.empty()) break;
      if (static_cast<int64_t>(going_on.size()) == rows) continue;
      keep(backend, caches, backend.from_host(going_on.data(), {static_cast<int64_t>(going_on.size())}, DType::I32));
      for (size_t i = 0; i < going_on.size(); ++i) {
        running[i] = running[going_on[i]];
        next[i] = next[going_on[i]];
      }
      running.resize(going_on.size());
      next.resize(going_on.size());
    }
    return results;
  });
}

}  // namespace whisper
