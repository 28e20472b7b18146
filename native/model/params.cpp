// Flat storage of parameters, and their way to and from checkpoints.
#include "model/params.h"

#include <algorithm>

#include "core/error.h"

namespace whisper {

namespace {

int64_t aligned(int64_t elements) { return (elements + Params::alignment - 1) / Params::alignment * Params::alignment; }

// Groups in memory: encoder, decoder, fixed; within a part the decayed first.
int group_of(const Param& p) { return 2 * static_cast<int>(p.part) + (p.decay ? 0 : 1); }

}  // namespace

std::vector<int64_t> Param::file_shape() const {
  if (layout == Layout::taps) return {shape[0], shape[1] / 3, 3};
  return {shape.dims.begin(), shape.dims.begin() + shape.rank};
}

Param& Params::add(std::string name, Shape shape, Part part, bool decay, Layout layout) {
  return list_.emplace_back(Param{std::move(name), shape, part, decay, layout, {}, {}});
}

std::vector<Param*> Params::in_memory_order() {
  std::vector<Param*> order;
  for (Param& p : list_) order.push_back(&p);
  std::stable_sort(order.begin(), order.end(), [](Param* a, Param* b) { return group_of(*a) < group_of(*b); });
  return order;
}

void Params::materialise(Backend& backend) {
  int64_t total = 0;
  for (const Param& p : list_) total += aligned(p.shape.size());
  values_ = backend.zeros({total});
  int64_t at = 0;
  for (Param* p : in_memory_order()) {
    p->value = values_.part(at, p->shape);
    at += aligned(p->shape.size());
  }
}

void Params::train(Backend& backend, bool encoder, bool decoder) {
  end_training();
  const auto wanted = [&](const Param& p) {
    return (p.part == Part::encoder && encoder) || (p.part == Part::decoder && decoder);
  };
  int64_t total = 0;
  for (const Param& p : list_)
    if (wanted(p)) total += aligned(p.shape.size());
  if (total == 0) fail(Code::InvalidArgument, "nothing to train: encoder and decoder are both frozen");
  grads_ = backend.zeros({total});

  int64_t value_at = 0, grad_at = 0;
  int last_group = -1;
  for (Param* p : in_memory_order()) {
    const int64_t size = aligned(p->shape.size());
    if (wanted(*p)) {
      p->grad = grads_.part(grad_at, p->shape);
      if (group_of(*p) != last_group) ranges_.push_back({value_at, grad_at, 0, p->decay});
      last_group = group_of(*p);
      ranges_.back().size += size;
      grad_at += size;
    }
    value_at += size;
  }
}

void Params::end_training() {
  for (Param& p : list_) p.grad = {};
  grads_ = {};
  ranges_.clear();
}

bool Params::trained(Part part) const {
  return std::any_of(list_.begin(), list_.end(), [&](const Param& p) { return p.part == part && p.grad; });
}

Param& Params::find(const std::string& name) {
  for (Param& p : list_)
    if (p.name == name) return p;
  fail(Code::InvalidArgument, "the model has no parameter named ", name);
}

int64_t Params::count() const {
  int64_t n = 0;
  for (const Param& p : list_) n += p.shape.size();
  return n;
}

int64_t Params::trainable() const {
  int64_t n = 0;
  for (const Param& p : list_) n += p.grad ? p.shape.size() : 0;
  return n;
}

std::vector<float> to_file_layout(Backend& backend, const Param& param, const Tensor& tensor) {
  std::vector<float> memory(static_cast<size_t>(param.shape.size()));
  backend.synchronize();
  backend.download(memory.data(), tensor.address, memory.size() * sizeof(float));
  if (param.layout == Layout::same) return memory;
  const int64_t out = param.shape[0], in = param.shape[1] / 3;
  std::vector<float> file(memory.size());
  for (int64_t o = 0; o < out; ++o)
    for (int64_t tap = 0; tap < 3; ++tap)
      for (int64_t i = 0; i < in; ++i) file[(o * in + i) * 3 + tap] = memory[(o * 3 + tap) * in + i];
  return file;
}

void from_file_layout(Backend& backend, const Param& param, const Tensor& tensor, const float* data) {
  const size_t bytes = static_cast<size_t>(param.shape.size()) * sizeof(float);
  if (param.layout == Layout::same) return backend.upload(tensor.address, data, bytes);
  const int64_t out = param.shape[0], in = param.shape[1] / 3;
  std::vector<float> memory(static_cast<size_t>(param.shape.size()));
  for (int64_t o = 0; o < out; ++o)
    for (int64_t tap = 0; tap < 3; ++tap)
      for (int64_t i = 0; i < in; ++i) memory[(o * 3 + tap) * in + i] = data[(o * in + i) * 3 + tap];
  backend.upload(tensor.address, memory.data(), bytes);
}

}  // namespace whisper
