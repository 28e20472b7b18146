// Forward and backward of low-rank adapters, and how they come into the weights.
#include "model/lora.h"

#include <cmath>

#include "core/error.h"
#include "core/random.h"
#include "model/whisper.h"

namespace whisper {

LowRank::LowRank(Params& p, const std::string& name, Param& weight, Part part)
    : adapter_(p.adapt(name, weight, part)), place_(stream_of(name + ".lora_dropout")) {}

// B lies transposed, [rank, out]: what linear_backward adds to its dx is then h·Bᵀ.
void LowRank::forward(Context& c, const Tensor& x, const Tensor& y) const {
  const Tensor &a = adapter_.a.value, &b = adapter_.b.value;
  Tensor h = c.activation({x.shape[0], x.shape[1], a.shape[0]});
  c.backend.linear(h, c.dropped(x, dropout(c)), a, Tensor());
  c.backend.multiply(h, h, adapter_.scale);
  c.backend.linear_backward(y, Tensor(), Tensor(), h, Tensor(), b, /*add=*/true);
  if (trained()) c.tape.push(h);
}

// dB += dyᵀ·h,  dh = scale·dy·B,  dA += dhᵀ·dropout(x),  dx (+)= dropout(dh·A)
void LowRank::backward(Context& c, const Tensor& dy, const Tensor& x, const Tensor& dx, bool add) const {
  const Param &a = adapter_.a, &b = adapter_.b;
  Tensor dh = c.activation({dy.shape[0], dy.shape[1], a.shape[0]});
  c.backend.linear(dh, dy, b.value, Tensor());
  c.backend.multiply(dh, dh, adapter_.scale);
  if (trained()) {
    auto [h] = c.tape.pop<1>();
    c.backend.linear_backward(Tensor(), b.grad, Tensor(), h, dy, b.value, /*add=*/false);
    c.backend.linear_backward(Tensor(), a.grad, Tensor(), dh, c.dropped(x, dropout(c)), a.value, /*add=*/false);
  }
  if (!dx) return;
  const Dropout how = dropout(c);
  Tensor share = how && add ? c.activation(dx.shape) : dx;
  c.backend.linear_backward(share, Tensor(), Tensor(), dh, Tensor(), a.value, add && !how);
  if (!how) return;
  c.backend.dropout(share, share, how);
  if (add) c.backend.add(dx, dx, share);
}

namespace {

// weight += scale·B·A; weight f32 [out, in].
void add_product(Backend& backend, const Adapter& adapter, const Tensor& weight) {
  const Tensor &a = adapter.a.master, &b = adapter.b.master;
  Tensor scaled = backend.empty(b.shape);
  backend.multiply(scaled, b, adapter.scale);
  backend.linear_backward(Tensor(), weight, Tensor(), scaled, a, Tensor(), /*add=*/false);
}

}  // namespace

// A as torch's Linear is initialised, by kaiming_uniform_(a=√5): uniform in ±1/√in; B zero, so that nothing changes.
void Whisper::initialise_adapters(uint64_t seed) {
  const Philox random(seed);
  for (const Adapter& adapter : params_.adapters()) {
    const Param& a = adapter.a;
    std::vector<float> values(static_cast<size_t>(a.shape.size()));
    const double bound = 1 / std::sqrt(static_cast<double>(a.shape[1]));
    const uint64_t stream = stream_of(a.name);
    for (size_t i = 0; i < values.size(); ++i) {
      const uint32_t number = random(i / 4, stream)[i % 4];
      values[i] = static_cast<float>(bound * ((number + 0.5) / 2147483648.0 - 1));
    }
    from_file_layout(*backend_, a, a.master, values.data());
    values.assign(static_cast<size_t>(adapter.b.shape.size()), 0.0f);
    from_file_layout(*backend_, adapter.b, adapter.b.master, values.data());
  }
  params_.refresh(*backend_);
  backend_->synchronize();
}

void Whisper::merge_adapters() {
  if (params_.trainable() > 0)
    fail(Code::InvalidArgument, "adapters cannot be merged into the weights while they are being trained");
  for (Adapter& adapter : params_.adapters()) {
    if (adapter.merged) continue;
    const Tensor& weight = adapter.weight.exact();
    Tensor wide = weight;
    if (weight.dtype != DType::F32) backend_->cast(wide = backend_->empty(weight.shape), weight);
    add_product(*backend_, adapter, wide);
    if (weight.dtype != DType::F32) backend_->cast(weight, wide);
    adapter.merged = true;
  }
  backend_->synchronize();
}

// A weight as `file` has it, f32, with its adapter's product.
std::vector<float> Whisper::merged(const Adapter& adapter, const float* file) {
  Tensor weight = backend_->from_host(file, adapter.weight.shape);
  add_product(*backend_, adapter, weight);
  return to_file_layout(*backend_, adapter.weight, weight);
}

}  // namespace whisper
