// The addon's functions that belong to no model: what the machine offers, what a model would need, and audio.
#include "functions.h"

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "audio/resample.h"
#include "backend.h"
#include "fields.h"
#include "promise.h"
#include "version.h"

namespace whisper::js {
namespace {

LogMel log_mel_of(const std::vector<float>& samples, int mels) {
  constexpr int64_t hop = 160;  // samples from a frame to the next
  if (mels < 1) fail(Code::InvalidArgument, "mels: expected at least 1, got ", mels);
  const auto n = static_cast<int64_t>(samples.size());
  LogMel out{{}, n / hop, mels};
  if (out.frames == 0) return out;
  const std::shared_ptr<Backend> backend = open_backend("cpu");
  const Tensor device = backend->empty({1, out.frames, mels});
  backend->log_mel(device, backend->from_host(samples.data(), {1, n}));
  backend->synchronize();
  out.data.resize(static_cast<size_t>(device.shape.size()));
  backend->download(out.data.data(), device.address, out.data.size() * sizeof(float));
  return out;
}

// Channels that are all of one length, as they are and not copied.
template <class Channel>
Channels channels_of(const std::vector<Channel>& channels, std::vector<const float*>& pointers) {
  for (const Channel& channel : channels) {
    if (channel.size() != channels[0].size())
      fail(Code::ShapeMismatch, "channels: of ", channels[0].size(), " and of ", channel.size(), " samples");
    pointers.push_back(channel.data());
  }
  return {pointers.data(), pointers.size(), channels.empty() ? 0 : static_cast<int64_t>(channels[0].size())};
}

std::vector<float> resampled(const std::vector<std::vector<float>>& channels, int from, int to) {
  std::vector<const float*> pointers;
  const Channels audio = channels_of(channels, pointers);
  std::vector<float> out(static_cast<size_t>(resampled_length(audio.samples, from, to)));
  whisper::resample(audio, from, to, out.data());
  return out;
}

}  // namespace

Napi::Value device_info(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const Napi::Value value = Js<DeviceInfo>::to(info.Env(), whisper::device_info());
    value.As<Napi::Object>().Set("version", version);
    return value;
  });
}

Napi::Value roofs(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] { return on_thread_pool(info.Env(), [] { return settled(measured_roofs()); }); });
}

Napi::Value plan(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    const auto dims = Js<Dims>::from(info[0], "dims");
    const auto options = Js<PlanOptions>::from(info[1], "options");
    return on_thread_pool(info.Env(), [=] { return settled(whisper::plan(dims, options)); });
  });
}

Napi::Value log_mel(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto samples = Js<std::vector<float>>::from(info[0], "samples");
    const int mels = Js<int>::from(info[1], "mels");
    return on_thread_pool(info.Env(),
                          [mels, samples = std::move(samples)] { return settled(log_mel_of(samples, mels)); });
  });
}

Napi::Value resample(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto channels = Js<std::vector<std::vector<float>>>::from(info[0], "channels");
    const int from = Js<int>::from(info[1], "from"), to = Js<int>::from(info[2], "to");
    return on_thread_pool(
        info.Env(), [from, to, channels = std::move(channels)] { return settled(resampled(channels, from, to)); });
  });
}

// In the thread that calls, from JavaScript's memory into JavaScript's memory: for a thread that has nothing else to
// do.
Napi::Value resample_sync(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&]() -> Napi::Value {
    const auto spans = Js<std::vector<std::span<const float>>>::from(info[0], "channels");
    const int from = Js<int>::from(info[1], "from"), to = Js<int>::from(info[2], "to");
    std::vector<const float*> pointers;
    const Channels audio = channels_of(spans, pointers);
    auto out = Napi::Float32Array::New(info.Env(), static_cast<size_t>(resampled_length(audio.samples, from, to)));
    whisper::resample(audio, from, to, out.Data());
    return out;
  });
}

}  // namespace whisper::js
