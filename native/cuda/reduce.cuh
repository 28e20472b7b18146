// Sums, maxima and the like over the threads of a warp or a block, in an order that never changes. Every thread gets
// the result; f is commutative.
#pragma once
#include <gpu/numbers.cuh>

namespace whisper::cuda {

// Of the first `lanes` lanes, a power of two; the others do the same in groups of their own.
template <int lanes = 32, class T, class F>
GPU_FUNCTION T warp_reduce(T x, F f) {
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2) x = f(x, __shfl_xor_sync(0xffffffff, x, distance));
  return x;
}

// Of a block of `threads`, a power of two.
template <int threads, class T, class F>
GPU_FUNCTION T block_reduce(T x, F f) {
  constexpr int warps = threads / 32;
  SHARED_ARRAY(T, parts, [warps]);
  x = warp_reduce(x, f);
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = x;
  __syncthreads();
  x = warp_reduce<warps>(parts[threadIdx.x % warps], f);
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
