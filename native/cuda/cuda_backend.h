// The CUDA back end: every operation of ops.def as launches of the kernels in its file beside this one.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "backend.h"
#include "cuda/device.h"
#include "cuda/fault.h"
#include "cuda/memory_pool.h"
#include "cuda/staging.h"

namespace whisper {

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int index);
  ~CudaBackend() override;
  std::string name() const override;
  std::shared_ptr<void> allocate(size_t bytes) override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  void zero(void* device, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void synchronize() override;
  size_t live_bytes() const override;
  size_t peak_bytes() const override;
  void reset_peak() override;
  size_t available_bytes() const override;
  void limit_bytes(size_t bytes) override;
  void fast_products() override;
  void begin_graph(uint64_t key) override;
  void end_graph() override;
  void abandon_graph() override;

#define OP(name, ...) void name(__VA_ARGS__) override;
#include "ops.def"
#undef OP

  // For what operations are made of.
  gpu::Device& device() { return *device_; }
  cuda::Fault* fault() const { return static_cast<cuda::Fault*>(fault_.get()); }

 private:
  std::shared_ptr<gpu::Device> device_;     // shared with the tensors, which may outlive the back end
  std::shared_ptr<cuda::MemoryPool> pool_;  // of device_
  cuda::Staging staging_;
  std::shared_ptr<void> fault_;                          // a cuda::Fault in device memory
  std::map<int, std::shared_ptr<void>> log_mel_tables_;  // in device memory, by the number of bands
};

}  // namespace whisper
