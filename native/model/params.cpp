// Flat storage of parameters, and their way to and from checkpoints.
#include "model/params.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace whisper {

std::vector<int64_t> Param::file_shape() const {
  if (layout == Layout::taps) return {shape[0], shape[1] / 3, 3};
  if (layout == Layout::transposed) return {shape[1], shape[0]};
  return {shape.dims.begin(), shape.dims.begin() + shape.rank};
}

Params::Params(const Lora& lora) : lora_(lora) {
  if (lora.rank < 0) fail(Code::InvalidArgument, "lora: rank is ", lora.rank, ", expected at least 1, or 0 for none");
  if (!std::isfinite(lora.scale)) fail(Code::InvalidArgument, "lora: scale is ", lora.scale, ", expected a number");
  if (!(lora.dropout >= 0 && lora.dropout < 1))
    fail(Code::InvalidArgument, "lora: dropout is ", lora.dropout, ", expected at least 0 and below 1");
  if (lora.rank > 0 && lora.modules.empty()) fail(Code::InvalidArgument, "lora: no modules to adapt");
}

bool Params::adapts(const std::string& name) const {
  return lora() && std::find(lora_.modules.begin(), lora_.modules.end(), name) != lora_.modules.end();
}

const Adapter& Params::adapt(const std::string& name, Param& weight, Part part) {
  const Shape &w = weight.shape, a{lora_.rank, w[1]}, b{lora_.rank, w[0]};
  Param& first = add(name + ".lora_A.weight", a, part, Role::adapter);
  Param& second = add(name + ".lora_B.weight", b, part, Role::adapter, Layout::transposed);
  return adapters_.emplace_back(Adapter{weight, first, second, lora_.scale, lora_.dropout});
}

Param& Params::add(std::string name, Shape shape, Part part, Role role, Layout layout) {
  return list_.emplace_back(Param{std::move(name), shape, part, role, layout, {}, {}, {}});
}

// Encoder, decoder, fixed; within a part the factors first.
std::vector<Param*> Params::in_memory_order() {
  const auto group = [](const Param* p) { return std::pair(p->part, p->role); };
  std::vector<Param*> order;
  for (Param& p : list_) order.push_back(&p);
  std::stable_sort(order.begin(), order.end(), [&](auto* a, auto* b) { return group(a) < group(b); });
  return order;
}

std::vector<Param*> Params::trained_in_memory_order() {
  std::vector<Param*> order = in_memory_order();
  std::erase_if(order, [](const Param* p) { return !p->grad; });
  return order;
}

void Params::materialise(Backend& backend, DType compute, bool masters) {
  for (const std::string& name : lora_.modules)
    if (std::none_of(adapters_.begin(), adapters_.end(),
                     [&](const Adapter& adapter) { return adapter.weight.name == name + ".weight"; }))
      fail(Code::InvalidArgument, "lora: the model has no linear layer named ", name);
  const std::vector<Param*> order = in_memory_order();
  const auto copied = [&](const Param& p) { return compute != DType::F32 && p.factor(); };
  const auto mastered = [&](const Param& p) { return !copied(p) || (lora() ? p.role == Role::adapter : masters); };
  int64_t total = 0, factors = 0;
  for (const Param* p : order) {
    if (mastered(*p)) total += aligned(p->shape.size());
    if (copied(*p)) factors += aligned(p->shape.size());
  }
  masters_ = backend.zeros({total});
  if (factors > 0) copies_ = backend.zeros({factors}, compute);

  int64_t at = 0, copy_at = 0;
  for (Param* p : order) {
    const int64_t size = aligned(p->shape.size());
    if (mastered(*p)) p->value = p->master = masters_.part(at, p->shape);
    if (copied(*p)) p->value = copies_.part(copy_at, p->shape);
    if (mastered(*p) && copied(*p)) {
      const bool goes_on = !copied_.empty() && copied_.back().master + copied_.back().size == at &&
                           copied_.back().copy + copied_.back().size == copy_at;
      if (goes_on)
        copied_.back().size += size;
      else
        copied_.push_back({at, copy_at, size});
    }
    if (mastered(*p)) at += size;
    if (copied(*p)) copy_at += size;
  }
}

void Params::refresh(Backend& backend) {
  for (const Stretch& s : copied_) backend.cast(copies_.part(s.copy, {s.size}), masters_.part(s.master, {s.size}));
}

void Params::train(Backend& backend, bool encoder, bool decoder, bool fixed) {
  end_training();
  for (const Adapter& adapter : adapters_)
    if (adapter.merged) fail(Code::InvalidArgument, "the adapters are merged into the weights: they cannot be trained");
  const auto wanted = [&](const Param& p) {
    if (lora() && p.role != Role::adapter) return false;
    return (p.part == Part::encoder && encoder) || (p.part == Part::decoder && decoder) ||
           (p.part == Part::fixed && fixed);
  };
  int64_t total = 0;
  for (const Param& p : list_) {
    if (!wanted(p)) continue;
    if (!p.master)
      fail(Code::InvalidArgument,
           "the model was opened for inference: its 16-bit weights have no f32 masters to train");
    total += aligned(p.shape.size());
  }
  if (total == 0)
    fail(Code::InvalidArgument, lora() ? "nothing to train: the part with the adapters is frozen"
                                       : "nothing to train: encoder and decoder are both frozen");
  grads_ = backend.zeros({total});
  int64_t at = 0;
  for (Param* p : in_memory_order())
    if (wanted(*p)) {
      p->grad = grads_.part(at, p->shape);
      at += aligned(p->shape.size());
    }
}

void Params::end_training() {
  for (Param& p : list_) p.grad = {};
  grads_ = {};
}

int64_t Params::master_offset(const Param& p) const {
  return static_cast<const float*>(p.master.address) - static_cast<const float*>(masters_.address);
}

int64_t Params::grad_offset(const Param& p) const {
  return static_cast<const float*>(p.grad.address) - static_cast<const float*>(grads_.address);
}

int64_t Params::copy_offset(const Param& p) const {
  const auto bytes = static_cast<const std::byte*>(p.value.address) - static_cast<const std::byte*>(copies_.address);
  return bytes / static_cast<int64_t>(size_of(copies_.dtype));
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

namespace {

// Element i of the file is element place(i) of the memory.
int64_t place(const Param& param, int64_t i) {
  const Shape& s = param.shape;
  if (param.layout == Layout::transposed) return i % s[0] * s[1] + i / s[0];
  const int64_t in = s[1] / 3, o = i / s[1], tap = i % 3;
  return o * s[1] + tap * in + i % s[1] / 3;
}

}  // namespace

std::vector<float> to_file_layout(Backend& backend, const Param& param, const Tensor& tensor) {
  Tensor wide = tensor;
  if (tensor.dtype != DType::F32) backend.cast(wide = backend.empty(tensor.shape), tensor);
  std::vector<float> memory(static_cast<size_t>(param.shape.size()));
  backend.synchronize();
  backend.download(memory.data(), wide.address, memory.size() * sizeof(float));
  if (param.layout == Layout::same) return memory;
  std::vector<float> file(memory.size());
  for (size_t i = 0; i < file.size(); ++i) file[i] = memory[place(param, static_cast<int64_t>(i))];
  return file;
}

void from_file_layout(Backend& backend, const Param& param, const Tensor& tensor, const float* data) {
  std::vector<float> memory;
  if (param.layout != Layout::same) {
    memory.resize(static_cast<size_t>(param.shape.size()));
    for (size_t i = 0; i < memory.size(); ++i) memory[place(param, static_cast<int64_t>(i))] = data[i];
    data = memory.data();
  }
  if (tensor.dtype == DType::F32)
    return backend.upload(tensor.address, data, static_cast<size_t>(tensor.shape.size()) * sizeof(float));
  backend.cast(tensor, backend.from_host(data, tensor.shape));
}

}  // namespace whisper
