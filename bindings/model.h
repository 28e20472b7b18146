// The class behind NativeModel (src/native.ts): a model, its training, and the lane that both run on.
#pragma once
#include <napi.h>

#include <memory>
#include <optional>

#include "cancel.h"
#include "lane.h"
#include "model/whisper.h"
#include "optim/training.h"

namespace whisper::js {

class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function define(Napi::Env env);

  // openModel(device, dims, precision, trainable, lora): a promise of a NativeModel.
  static Napi::Value open(const Napi::CallbackInfo& info);

  explicit Model(const Napi::CallbackInfo& info);
  ~Model() override;

 private:
  // What the lane works on, and nobody else.
  struct Core {
    Whisper whisper;
    std::optional<Training> training;

    Core(std::shared_ptr<Backend> backend, const Dims& dims, Precision precision, bool trainable, const Lora& lora)
        : whisper(std::move(backend), dims, precision, trainable, lora) {}
    Training& prepared();  // the training; throws InvalidArgument before prepareTraining()
  };

  // Queues work(core, cancel); the promise is of what it returns.
  template <class F>
  Napi::Value call(Napi::Env env, std::shared_ptr<Cancel> cancel, F work);
  template <class F>
  Napi::Value call(Napi::Env env, F work) {
    return call(env, nullptr, std::move(work));
  }
  void report_memory(Napi::Env env, size_t live);

  Napi::Value device(const Napi::CallbackInfo& info);
  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value initialise(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value load_adapters(const Napi::CallbackInfo& info);
  Napi::Value save_adapters(const Napi::CallbackInfo& info);
  Napi::Value initialise_adapters(const Napi::CallbackInfo& info);
  Napi::Value merge_adapters(const Napi::CallbackInfo& info);
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value prepare_training(const Napi::CallbackInfo& info);
  Napi::Value step(const Napi::CallbackInfo& info);
  Napi::Value save_optimizer(const Napi::CallbackInfo& info);
  Napi::Value load_optimizer(const Napi::CallbackInfo& info);
  Napi::Value end_training(const Napi::CallbackInfo& info);
  Napi::Value loss(const Napi::CallbackInfo& info);
  Napi::Value generate(const Napi::CallbackInfo& info);
  Napi::Value evaluate(const Napi::CallbackInfo& info);
  Napi::Value time_encoder(const Napi::CallbackInfo& info);
  Napi::Value logits(const Napi::CallbackInfo& info);
  Napi::Value observe(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value accumulate(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value limit_memory(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  static void environment_ends(void* self) { static_cast<Model*>(self)->lane_.close(); }

  const napi_env env_;
  std::string device_;
  bool disposed_ = false;
  size_t reported_ = 0;         // bytes that the garbage collector was told of
  std::unique_ptr<Core> core_;  // made, used and freed on the lane
  Lane lane_;
};

}  // namespace whisper::js
