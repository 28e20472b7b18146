// Memory of the CUDA back end, and its errors. Its operations are one file each beside this one.
#include "cuda/cuda_backend.h"

#include "core/error.h"

namespace whisper {

CudaBackend::CudaBackend(int index)
    : device_(std::make_shared<gpu::Device>(index)),
      pool_(std::make_shared<cuda::MemoryPool>(device_, !device_->properties().exact_blocks)),
      staging_(device_),
      fault_(allocate(sizeof(cuda::Fault))) {
  zero(fault_.get(), sizeof(cuda::Fault));
}

CudaBackend::~CudaBackend() = default;

std::string CudaBackend::name() const { return device_->properties().device + " (" + device_->properties().name + ")"; }

std::shared_ptr<void> CudaBackend::allocate(size_t bytes) { return pool_->take(bytes); }

void CudaBackend::upload(void* device, const void* host, size_t bytes) {
  if (bytes) staging_.upload(device, host, bytes);
}

void CudaBackend::download(void* host, const void* device, size_t bytes) {
  if (bytes) staging_.download(host, device, bytes);
}

void CudaBackend::zero(void* device, size_t bytes) {
  if (bytes) device_->zero(device, bytes);
}

void CudaBackend::copy(void* to, const void* from, size_t bytes) {
  if (bytes) device_->copy(to, from, bytes);
}

// The host waits once, for the note that faults leave behind everything else in the queue.
void CudaBackend::synchronize() {
  cuda::Fault fault;
  staging_.download(&fault, fault_.get(), sizeof fault);
  if (fault.kind == static_cast<int32_t>(cuda::FaultKind::none)) return;
  zero(fault_.get(), sizeof fault);
  fail(Code::InvalidArgument, cuda::words_of(fault));
}

size_t CudaBackend::live_bytes() const { return pool_->live(); }
size_t CudaBackend::peak_bytes() const { return pool_->peak(); }
void CudaBackend::reset_peak() { pool_->reset_peak(); }
size_t CudaBackend::available_bytes() const { return pool_->available(); }
void CudaBackend::limit_bytes(size_t bytes) { pool_->limit(bytes); }

void CudaBackend::fast_products() {
  fail(Code::InvalidArgument, "precision f32-fast is not there on a GPU: use f16 or bf16, or f32");
}

void CudaBackend::begin_graph(uint64_t key) { device_->begin_graph(key); }
void CudaBackend::end_graph() { device_->end_graph(); }
void CudaBackend::abandon_graph() { device_->abandon_graph(); }

}  // namespace whisper
