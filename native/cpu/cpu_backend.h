// The CPU back end: operations as loops over the kernels of the widest instruction set this machine has.
#pragma once
#include <memory>
#include <string>

#include "backend.h"
#include "cpu/kernels.h"
#include "cpu/memory_pool.h"

namespace whisper {

class CpuBackend final : public Backend {
 public:
  CpuBackend();
  std::string name() const override;
  std::shared_ptr<void> allocate(size_t bytes) override;
  void upload(void* device, const void* host, size_t bytes) override;
  void download(void* host, const void* device, size_t bytes) override;
  void zero(void* device, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void synchronize() override {}
  size_t live_bytes() const override;
  size_t peak_bytes() const override;
  void reset_peak() override;
  void limit_bytes(size_t bytes) override;
  void fast_products() override;

#define OP(name, ...) void name(__VA_ARGS__) override;
#include "ops.def"
#undef OP

 private:
  const cpu::GemmKernels& products(DType stored) const { return kernels_.products(stored, split_); }

  const cpu::Kernels& kernels_;
  bool split_ = false;                     // products of f32 are made of those of bf16
  std::shared_ptr<cpu::MemoryPool> pool_;  // shared with the tensors, which may outlive the back end
};

}  // namespace whisper
