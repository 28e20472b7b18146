// The token loop of greedy decoding (openai/whisper decoding.py: GreedyDecoder at temperature 0).
#include "decode/generate.h"

#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace whisper {

namespace {

constexpr uint64_t decoding_key = stream_of("decoding");

// 0 for a token that may come, -∞ for one that may not.
Tensor mask_of(Backend& backend, int vocab, std::initializer_list<const std::vector<int32_t>*> suppressed) {
  std::vector<float> mask(vocab, 0.0f);
  for (const auto* list : suppressed)
    for (int32_t id : *list) mask[id] = -std::numeric_limits<float>::infinity();
  return backend.from_host(mask.data(), {vocab});
}

// Calls f with each tensor of the caches, and how many of its rows in time are in use.
template <class F>
void each(std::vector<BlockCache>& caches, int64_t position, F f) {
  for (BlockCache& cache : caches) {
    for (Tensor* t : {&cache.self.keys, &cache.self.values}) f(*t, position);
    for (Tensor* t : {&cache.audio.keys, &cache.audio.values}) f(*t, t->shape[1]);
  }
}

// A row of the batch takes the place of another.
void move_row(Backend& backend, std::vector<BlockCache>& caches, int64_t position, int64_t from, int64_t to) {
  each(caches, position, [&](Tensor& t, int64_t time) {
    const int64_t row = t.shape[1] * t.shape[2];
    const Shape used{time, t.shape[2]};
    backend.copy(t.part(to * row, used).address, t.part(from * row, used).address,
                 static_cast<size_t>(used.size()) * size_of(t.dtype));
  });
}

// Only the first `rows` go on.
void shrink(std::vector<BlockCache>& caches, int64_t rows) {
  each(caches, 0, [&](Tensor& t, int64_t) { t = t.part(0, {rows, t.shape[1], t.shape[2]}); });
}

// The last row in time of each batch entry: [B, T, W] -> a strided view [B, 1, W].
Tensor last_row(const Tensor& x) {
  const int64_t time = x.shape[1], width = x.shape[2];
  return x.strided((time - 1) * width, {x.shape[0], 1, width}, width, time * width);
}

}  // namespace

void GenerateOptions::check(const Dims& dims) const {
  const auto token = [&](const char* what, int32_t id) {
    if (id < 0 || id >= dims.vocab)
      fail(Code::InvalidArgument, "generate: ", what, " token ", id, " is outside the vocabulary of ", dims.vocab);
  };
  if (prompt.empty()) fail(Code::InvalidArgument, "generate: the prompt is empty");
  for (int32_t id : prompt) token("prompt", id);
  for (int32_t id : suppress) token("suppressed", id);
  for (int32_t id : begin_suppress) token("suppressed", id);
  token("end", end);
  if (max_length <= static_cast<int>(prompt.size()) || max_length > dims.target)
    fail(Code::InvalidArgument, "generate: max_length ", max_length, ", expected more than the prompt's ",
         prompt.size(), " and at most ", dims.target, " (max_target_positions)");
}

std::vector<Generated> generate(Whisper& model, const std::vector<std::vector<float>>& samples,
                                const GenerateOptions& o, const Cancel& cancel) {
  o.check(model.dims);
  if (samples.empty()) return {};
  Context c = model.context();
  c.cancel = &cancel;
  return c.tape.paused([&] { return generate(model, c, model.encode(c, model.features(samples)), o); });
}

std::vector<Generated> generate(Whisper& model, Context& c, Tensor audio, const GenerateOptions& o) {
  Backend& backend = c.backend;
  const Tensor first_mask = mask_of(backend, model.dims.vocab, {&o.suppress, &o.begin_suppress});
  const Tensor mask = mask_of(backend, model.dims.vocab, {&o.suppress});
  const int64_t prompt = static_cast<int64_t>(o.prompt.size());

  int64_t rows = audio.shape[0];  // that go on
  std::vector<Generated> results(rows);
  std::vector<int> running(rows);  // which result each row of the batch belongs to
  std::iota(running.begin(), running.end(), 0);
  std::vector<int32_t> next;
  for (int64_t r = 0; r < rows; ++r) next.insert(next.end(), o.prompt.begin(), o.prompt.end());
  std::vector<float> probabilities(rows);

  std::vector<BlockCache> caches = model.decoder().caches(c, audio, o.max_length);
  audio = {};  // its keys and values are in the caches
  for (int64_t position = 0, time = prompt; position + time < o.max_length; position += time, time = 1) {
    c.check_cancel();
    Graph graph(backend, decoding_key + (time > 1));
    const Tensor tokens = backend.from_host(next.data(), {rows, time}, DType::I32);
    const Tensor x = model.decoder().cached(c, tokens, caches, position);
    const Tensor logits = model.decoder().logits(c, last_row(x)).reshaped({rows, model.dims.vocab});
    Tensor chosen = backend.empty({rows}, DType::I32), logprobs = backend.empty({rows});
    backend.argmax(chosen, logprobs, logits, position == 0 ? first_mask : mask);
    graph.end();
    backend.synchronize();
    next.resize(rows);
    backend.download(next.data(), chosen.address, rows * sizeof(int32_t));
    backend.download(probabilities.data(), logprobs.address, rows * sizeof(float));

    for (int64_t r = 0; r < rows; ++r) {
      results[running[r]].tokens.push_back(next[r]);
      results[running[r]].logprobs.push_back(probabilities[r]);
    }
    // A row that has ended gives its place to the last one: only that one's keys and values are copied.
    const int64_t before = rows;
    for (int64_t r = 0; r < rows;) {
      if (next[r] != o.end) {
        ++r;
        continue;
      }
      if (r == --rows) break;
      move_row(backend, caches, position + time, /*from=*/rows, /*to=*/r);
      running[r] = running[rows];
      next[r] = next[rows];
    }
    if (rows == 0) break;
    if (rows < before) shrink(caches, rows);
  }
  return results;
}

}  // namespace whisper
