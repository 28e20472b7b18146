// How kernels are declared and launched, and what they may use of a GPU beside plain C++. There are two bodies of
// everything in this folder: this one is CUDA's; test/emulator/gpu runs each CUDA thread as a fiber on the CPU. The
// build chooses by its include path, so kernels write #include <gpu/...>.
//
// What kernels may rely on, and no more (test/emulator/rules.test.ts looks for the rest):
//  * blocks of whole warps; warp operations by full warps; no thread ends before a barrier others wait at;
//  * shared memory by Shared::take or SHARED_ARRAY, launches by launch(), PTX by ptx.cuh and hopper.cuh;
//  * order between threads by __syncthreads(), __syncwarp(), waits for copies and mbarriers, never by a shuffle;
//  * no waiting across blocks; no atomics on floats: sums over blocks take two launches and have a fixed order.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>

#include "core/half.h"
#include "cuda/device.h"

#define GPU_FUNCTION __device__ __forceinline__
// An array that the threads of a block share: SHARED_ARRAY(float, sums, [32]);
#define SHARED_ARRAY(T, name, dims) __shared__ __align__(16) T name dims

namespace whisper::gpu {

extern __shared__ __align__(1024) unsigned char dynamic_shared_memory[];

// Dynamic shared memory, in the order in which it is asked for. Its size is the launch's; each part begins at a
// multiple of its alignment, so a launch asks for shared_size() of every part, in the same order.
class Shared {
 public:
  template <class T>
  GPU_FUNCTION T* take(unsigned count, unsigned alignment = 128) {
    const auto base = static_cast<unsigned>(__cvta_generic_to_shared(dynamic_shared_memory));
    used_ = ((base + used_ + alignment - 1) & ~(alignment - 1)) - base;
    T* part = reinterpret_cast<T*>(dynamic_shared_memory + used_);
    used_ += count * static_cast<unsigned>(sizeof(T));
    return part;
  }

 private:
  unsigned used_ = 0;
};

// Launches kernel(arguments...) for an operation. Errors name the operation.
template <class... P, class... A>
void launch(Device& device, const char* op, const Grid& grid, void (*kernel)(P...), A&&... arguments) {
  std::tuple<std::remove_cv_t<P>...> values(static_cast<P>(arguments)...);
  std::apply(
      [&](auto&... value) {
        void* addresses[] = {const_cast<void*>(static_cast<const void*>(&value))..., nullptr};
        device.launch(op, reinterpret_cast<const void*>(kernel), grid, addresses);
      },
      values);
}

}  // namespace whisper::gpu
