// The class behind NativeModel: each method reads its arguments on the main thread and works on the lane.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "decode/evaluate.h"
#include "instance.h"
#include "model_call.h"

namespace whisper::js {
namespace {

// The garbage collector is told of memory in steps, because each telling may make it run.
constexpr size_t report_step = size_t{32} << 20;

}  // namespace

Training& Model::Core::prepared() {
  if (!training) fail(Code::InvalidArgument, "the model is not being trained; call prepareTraining first");
  return *training;
}

Napi::Function Model::define(Napi::Env env) {
  return DefineClass(env, "NativeModel",
                     {
                         InstanceAccessor<&Model::device>("device"),
                         InstanceMethod<&Model::load>("load"),
                         InstanceMethod<&Model::initialise>("initialise"),
                         InstanceMethod<&Model::save>("save"),
                         InstanceMethod<&Model::load_adapters>("loadAdapters"),
                         InstanceMethod<&Model::save_adapters>("saveAdapters"),
                         InstanceMethod<&Model::initialise_adapters>("initialiseAdapters"),
                         InstanceMethod<&Model::merge_adapters>("mergeAdapters"),
                         InstanceMethod<&Model::parameters>("parameters"),
                         InstanceMethod<&Model::prepare_training>("prepareTraining"),
                         InstanceMethod<&Model::step>("step"),
                         InstanceMethod<&Model::save_optimizer>("saveOptimizer"),
                         InstanceMethod<&Model::load_optimizer>("loadOptimizer"),
                         InstanceMethod<&Model::end_training>("endTraining"),
                         InstanceMethod<&Model::loss>("loss"),
                         InstanceMethod<&Model::generate>("generate"),
                         InstanceMethod<&Model::evaluate>("evaluate"),
                         InstanceMethod<&Model::time_encoder>("timeEncoder"),
                         InstanceMethod<&Model::logits>("logits"),
                         InstanceMethod<&Model::observe>("observe"),
                         InstanceMethod<&Model::read>("read"),
                         InstanceMethod<&Model::accumulate>("accumulate"),
                         InstanceMethod<&Model::memory>("memory"),
                         InstanceMethod<&Model::limit_memory>("limitMemory"),
                         InstanceMethod<&Model::dispose>("dispose"),
                     });
}

Model::Model(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      env_(info.Env()),
      // Alive while its work is.
      lane_(
          info.Env(), [this](bool busy) { busy ? Ref() : Unref(); }, [this] { core_.reset(); }) {
  napi_add_env_cleanup_hook(env_, environment_ends, this);
}

Model::~Model() {
  napi_remove_env_cleanup_hook(env_, environment_ends, this);
  lane_.close();
  int64_t total = 0;
  if (reported_ > 0) napi_adjust_external_memory(env_, -static_cast<int64_t>(reported_), &total);
}

void Model::report_memory(Napi::Env env, size_t live) {
  const size_t difference = live > reported_ ? live - reported_ : reported_ - live;
  if (difference < report_step && live > 0) return;
  Napi::MemoryManagement::AdjustExternalMemory(env, static_cast<int64_t>(live) - static_cast<int64_t>(reported_));
  reported_ = live;
}

Napi::Value Model::open(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto device = argument<std::string>(info, 0, "device");
    const auto dims = argument<Dims>(info, 1, "dims");
    const auto precision = argument<Precision>(info, 2, "precision");
    const bool trainable = info[3].IsUndefined() || argument<bool>(info, 3, "trainable");
    const auto lora = info[4].IsUndefined() ? Lora() : argument<Lora>(info, 4, "lora");
    Model* model = Unwrap(Instance::of(info.Env()).model_class.New({}));
    return model->lane_.run(info.Env(), nullptr, [=, device = std::move(device)](const Cancel&) -> Settle {
      model->core_ = std::make_unique<Core>(open_backend(device), dims, precision, trainable, lora);
      Backend& backend = model->core_->whisper.backend();
      return [model, name = backend.name(), live = backend.live_bytes()](Napi::Env env) {
        model->device_ = name;
        model->report_memory(env, live);
        return model->Value();
      };
    });
  });
}

Napi::Value Model::device(const Napi::CallbackInfo& info) { return Napi::String::New(info.Env(), device_); }

Napi::Value Model::load(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto files = argument<std::vector<std::string>>(info, 0, "files");
    auto tokens = info[1].IsUndefined() ? NewTokens() : argument<NewTokens>(info, 1, "newTokens");
    return call(info.Env(), [files = std::move(files), tokens = std::move(tokens)](Core& core, const Cancel&) {
      core.whisper.load(files, tokens);
    });
  });
}

Napi::Value Model::initialise(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    const auto scheme = argument<Whisper::Initialisation>(info, 0, "scheme");
    const auto seed = argument<uint64_t>(info, 1, "seed");
    return call(info.Env(), [=](Core& core, const Cancel&) { core.whisper.initialise(scheme, seed); });
  });
}

Napi::Value Model::save(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto path = argument<std::string>(info, 0, "path");
    auto metadata = argument<std::map<std::string, std::string>>(info, 1, "metadata");
    auto exact =
        info[2].IsUndefined() ? std::vector<std::string>() : argument<std::vector<std::string>>(info, 2, "exact");
    return call(info.Env(), [path = std::move(path), metadata = std::move(metadata), exact = std::move(exact)](
                                Core& core, const Cancel&) { core.whisper.save(path, metadata, exact); });
  });
}

Napi::Value Model::load_adapters(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [path = argument<std::string>(info, 0, "path")](Core& core, const Cancel&) {
      core.whisper.load_adapters(path);
    });
  });
}

Napi::Value Model::save_adapters(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [path = argument<std::string>(info, 0, "path")](Core& core, const Cancel&) {
      core.whisper.save_adapters(path);
    });
  });
}

Napi::Value Model::initialise_adapters(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [seed = argument<uint64_t>(info, 0, "seed")](Core& core, const Cancel&) {
      core.whisper.initialise_adapters(seed);
    });
  });
}

Napi::Value Model::merge_adapters(const Napi::CallbackInfo& info) {
  return promised(info.Env(),
                  [&] { return call(info.Env(), [](Core& core, const Cancel&) { core.whisper.merge_adapters(); }); });
}

Napi::Value Model::parameters(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [](Core& core, const Cancel&) {
      std::vector<ParameterInfo> list;
      for (const Param& p : core.whisper.params().list()) list.push_back({p.name, p.file_shape()});
      return list;
    });
  });
}

Napi::Value Model::prepare_training(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [options = argument<TrainingOptions>(info, 0, "options")](Core& core, const Cancel&) {
      core.training.reset();  // the old moments go before the new ones come
      core.training.emplace(core.whisper, options);
    });
  });
}

Napi::Value Model::step(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto batches = argument<std::vector<Batch>>(info, 0, "batches");
    auto options = argument<StepOptions>(info, 1, "options");
    return call(info.Env(), CancelHandle::from(info[2], "cancel"),
                [batches = std::move(batches), options = std::move(options)](Core& core, const Cancel& cancel) {
                  return core.prepared().step(batches, options, cancel);
                });
  });
}

Napi::Value Model::save_optimizer(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [path = argument<std::string>(info, 0, "path")](Core& core, const Cancel&) {
      core.prepared().save(path);
    });
  });
}

Napi::Value Model::load_optimizer(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [path = argument<std::string>(info, 0, "path")](Core& core, const Cancel&) {
      core.prepared().load(path);
    });
  });
}

Napi::Value Model::end_training(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [](Core& core, const Cancel&) {
      core.training.reset();
      core.whisper.params().end_training();
    });
  });
}

Napi::Value Model::loss(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto batch = argument<Batch>(info, 0, "batch");
    return call(
        info.Env(), CancelHandle::from(info[1], "cancel"),
        [batch = std::move(batch)](Core& core, const Cancel& cancel) { return core.whisper.loss(batch, cancel); });
  });
}

Napi::Value Model::generate(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto samples = argument<std::vector<std::vector<float>>>(info, 0, "samples");
    auto options = argument<GenerateOptions>(info, 1, "options");
    return call(info.Env(), CancelHandle::from(info[2], "cancel"),
                [samples = std::move(samples), options = std::move(options)](Core& core, const Cancel& cancel) {
                  return whisper::generate(core.whisper, samples, options, cancel);
                });
  });
}

Napi::Value Model::evaluate(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    auto batch = argument<Batch>(info, 0, "batch");
    auto options = argument<GenerateOptions>(info, 1, "options");
    return call(info.Env(), CancelHandle::from(info[2], "cancel"),
                [batch = std::move(batch), options = std::move(options)](Core& core, const Cancel& cancel) {
                  return whisper::evaluate(core.whisper, batch, options, cancel);
                });
  });
}

Napi::Value Model::memory(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [](Core& core, const Cancel&) {
      const Backend& backend = core.whisper.backend();
      return MemoryInfo{backend.live_bytes(), backend.peak_bytes(), backend.available_bytes()};
    });
  });
}

Napi::Value Model::limit_memory(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&] {
    return call(info.Env(), [bytes = argument<uint64_t>(info, 0, "bytes")](Core& core, const Cancel&) {
      core.whisper.backend().limit_bytes(bytes);
    });
  });
}

Napi::Value Model::dispose(const Napi::CallbackInfo& info) {
  return promised(info.Env(), [&]() -> Napi::Value {
    if (disposed_) {
      const auto deferred = Napi::Promise::Deferred::New(info.Env());
      deferred.Resolve(info.Env().Undefined());
      return deferred.Promise();
    }
    disposed_ = true;
    const auto free = [this](const Cancel&) -> Settle {
      core_.reset();
      return [this](Napi::Env env) -> Napi::Value {
        report_memory(env, 0);
        return env.Undefined();
      };
    };
    return lane_.run(info.Env(), nullptr, free, /*last=*/true);
  });
}

}  // namespace whisper::js
