// Sums, maxima and the like over the threads of a warp or a block, in an order that never changes. Every thread gets
// the result; f is commutative.
#pragma once
#include <gpu/numbers.cuh>

namespace whisper::cuda {

template <class T, class F>
GPU_FUNCTION T warp_reduce(T x, F f) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) x = f(x, __shfl_xor_sync(0xffffffff, x, distance));
  return x;
}

// Of a block of `threads`: warps one after the other. Is a barrier as well.
template <int threads, class T, class F>
GPU_FUNCTION T block_reduce(T x, F f) {
  constexpr int warps = threads / 32;
  SHARED_ARRAY(T, parts, [warps]);
  x = warp_reduce(x, f);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  x = parts[0];
#pragma unroll
  for (int warp = 1; warp < warps; ++warp) x = f(x, parts[warp]);
  __syncthreads();  // before the next reduction writes its parts
  return x;
}

struct Plus {
  template <class T>
  GPU_FUNCTION T operator()(T a, T b) const {
    return a + b;
  }
};
// Of floats, the second where one is NaN.
struct Larger {
  template <class T>
  GPU_FUNCTION T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

template <class T>
GPU_FUNCTION T warp_sum(T x) {
  return warp_reduce(x, Plus{});
}
template <int threads, class T>
GPU_FUNCTION T block_sum(T x) {
  return block_reduce<threads>(x, Plus{});
}
template <int threads, class T>
GPU_FUNCTION T block_max(T x) {
  return block_reduce<threads>(x, Larger{});
}

}  // namespace whisper::cuda
