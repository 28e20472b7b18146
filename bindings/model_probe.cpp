// What tests and benchmarks ask of a model: what lies inside it, and how long its encoder takes.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "model_call.h"
#include "stopwatch.h"

namespace whisper::js {
namespace {

HostTensor to_host(Backend& backend, const Tensor& tensor) {
  HostTensor host;
  host.shape.assign(tensor.shape.dims.begin(), tensor.shape.dims.begin() + tensor.shape.rank);
  host.data.resize(static_cast<size_t>(tensor.shape.size()));
  if (!tensor.dense())
    fail(Code::InvalidArgument, "a tensor of shape ", tensor.shape, " with spaced rows cannot be read");
  Tensor wide = tensor;
  if (tensor.dtype != DType::F32) backend.cast(wide = backend.empty(tensor.shape), tensor);
  backend.synchronize();
  backend.download(host.data.data(), wide.address, host.data.size() * sizeof(float));
  return host;
}

}  // namespace

Napi::Value Model::time_encoder(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto samples = argument<std::vector<std::vector<float>>>(info, 0, "samples");
    return call(info.Env(), [samples = std::move(samples)](Core& core, const Cancel&) {
      Whisper& whisper = core.whisper;
      Context c = whisper.context();
      return c.tape.paused([&] {
        Tensor features = whisper.features(samples);
        c.backend.synchronize();
        return milliseconds_of(c.backend, [&] { whisper.encode(c, std::move(features)); });
      });
    });
  });
}

Napi::Value Model::logits(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [batch = argument<Batch>(info, 0, "batch")](Core& core, const Cancel&) {
      Whisper& whisper = core.whisper;
      Context c = whisper.context();
      return to_host(c.backend, whisper.logits(c, whisper.features(batch.samples, batch.mask_spans), batch));
    });
  });
}

Napi::Value Model::observe(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [batch = argument<Batch>(info, 0, "batch")](Core& core, const Cancel&) {
      Whisper& whisper = core.whisper;
      std::map<std::string, HostTensor> seen;
      Context c = whisper.context();
      c.observer = [&](const std::string& name, const Tensor& t) { seen[name] = to_host(c.backend, t); };
      whisper.logits(c, whisper.features(batch.samples, batch.mask_spans), batch);
      return seen;
    });
  });
}

Napi::Value Model::read(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto name = argument<std::string>(info, 0, "name");
    const auto what = argument<What>(info, 1, "what");
    return call(info.Env(), [=, name = std::move(name)](Core& core, const Cancel&) {
      const Param& p = core.whisper.params().find(name);
      if (what == What::grad && !p.grad) fail(Code::InvalidArgument, name, " has no gradient: it is not being trained");
      const Tensor& tensor = what == What::grad ? p.grad : p.exact();
      return HostTensor{p.file_shape(), to_file_layout(core.whisper.backend(), p, tensor)};
    });
  });
}

Napi::Value Model::accumulate(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto batch = argument<Batch>(info, 0, "batch");
    const auto scale = argument<float>(info, 1, "scale");
    return call(info.Env(), [scale, batch = std::move(batch)](Core& core, const Cancel&) {
      Context& c = core.prepared().context();
      c.tape.clear();  // of a call that ended in an error
      Whisper& model = core.whisper;
      batch.check(model.dims);
      const Tensor losses = c.backend.empty({static_cast<int64_t>(batch.labels.size())});
      model.accumulate(c, model.features(batch.samples, batch.mask_spans), batch, scale, /*smoothing=*/0, losses);
      return model.read(losses, batch);
    });
  });
}

}  // namespace whisper::js
