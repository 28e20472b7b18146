// Memory of the CPU back end. Its operations are one file each beside this one.
#include "cpu/cpu_backend.h"

#include <cstring>

#include "core/error.h"
#include "cpu/thread_pool.h"

namespace whisper {
namespace {

constexpr int64_t piece = 1 << 20;  // bytes that one thread clears or copies at a time

}  // namespace

CpuBackend::CpuBackend() : kernels_(cpu::best_kernels()), pool_(std::make_shared<cpu::MemoryPool>()) {}

std::string CpuBackend::name() const {
  const int n = cpu::threads();
  return std::string("cpu (") + kernels_.isa + ", " + std::to_string(n) + (n == 1 ? " thread)" : " threads)");
}

std::shared_ptr<void> CpuBackend::allocate(size_t bytes) { return pool_->take(bytes); }

void CpuBackend::upload(void* device, const void* host, size_t bytes) { copy(device, host, bytes); }

void CpuBackend::download(void* host, const void* device, size_t bytes) { copy(host, device, bytes); }

void CpuBackend::zero(void* device, size_t bytes) {
  cpu::parallel_for(static_cast<int64_t>(bytes), piece, [=](int64_t begin, int64_t end) {
    std::memset(static_cast<std::byte*>(device) + begin, 0, static_cast<size_t>(end - begin));
  });
}

void CpuBackend::copy(void* to, const void* from, size_t bytes) {
  cpu::parallel_for(static_cast<int64_t>(bytes), piece, [=](int64_t begin, int64_t end) {
    std::memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

size_t CpuBackend::live_bytes() const { return pool_->live(); }
size_t CpuBackend::peak_bytes() const { return pool_->peak(); }
void CpuBackend::reset_peak() { pool_->reset_peak(); }
void CpuBackend::limit_bytes(size_t bytes) { pool_->limit(bytes); }

void CpuBackend::fast_products() {
  if (!kernels_.split_gemm)
    fail(Code::InvalidArgument, "precision f32-fast needs a CPU with AMX or AVX512_BF16, this one runs ", kernels_.isa,
         ": use f32");
  split_ = true;
}

}  // namespace whisper
