// Runs of elements, which a thread loads and stores at once: 16 bytes where addresses allow it.
#pragma once
#include <algorithm>
#include <bit>
#include <gpu/numbers.cuh>

namespace whisper::cuda {

// n elements one behind the other. Those of more than one begin at a multiple of their size, or of 16 bytes.
template <int n>
using Run = std::integral_constant<int, n>;

// Elements in 16 bytes of the largest of the types.
template <class... T>
constexpr int run_of = static_cast<int>(16 / std::max({sizeof(T)...}));

// f(Run<n>) if what a launch reads and writes is aligned for it, else f(Run<1>).
template <int n, class F>
void choose_run(bool aligned, F f) {
  aligned ? f(Run<n>{}) : f(Run<1>{});
}
// Whether runs of n elements can begin here.
template <class T>
bool aligned(const T* address, int n) {
  return reinterpret_cast<uintptr_t>(address) % std::min<size_t>(n * sizeof(T), 16) == 0;
}

// f(i, Run<n>) for the run at i, or of the last elements, which are less than a run, f(j, Run<1>) for each.
template <int n, class F>
GPU_FUNCTION void take_run(int64_t i, int64_t size, F f) {
  if (i + n <= size)
    f(i, Run<n>{});
  else
    for (; i < size; ++i) f(i, Run<1>{});
}

// Rows of `width` elements cut into runs, one for each thread of the launch: f(row, column, Run).
template <int n, class F>
GPU_FUNCTION void take_run_of_rows(int64_t rows, int64_t width, F f) {
  const int64_t runs = (width + n - 1) / n, at = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t row = at / runs, column = at % runs * n;
  if (row < rows) take_run<n>(column, width, [&](int64_t c, auto run) { f(row, c, run); });
}
// How many threads that takes.
constexpr int64_t runs_of_rows(int64_t rows, int64_t width, int n) { return rows * ((width + n - 1) / n); }

// An access of 4, 8 or 16 bytes.
GPU_FUNCTION void load_words(uint32_t (&w)[1], const void* from) { w[0] = gpu::load4(from); }
GPU_FUNCTION void load_words(uint32_t (&w)[2], const void* from) {
  const uint2 x = gpu::load8(from);
  w[0] = x.x, w[1] = x.y;
}
GPU_FUNCTION void load_words(uint32_t (&w)[4], const void* from) {
  const uint4 x = gpu::load16(from);
  w[0] = x.x, w[1] = x.y, w[2] = x.z, w[3] = x.w;
}
GPU_FUNCTION void store_words(void* to, const uint32_t (&w)[1]) { gpu::store4(to, w[0]); }
GPU_FUNCTION void store_words(void* to, const uint32_t (&w)[2]) { gpu::store8(to, {w[0], w[1]}); }
GPU_FUNCTION void store_words(void* to, const uint32_t (&w)[4]) { gpu::store16(to, {w[0], w[1], w[2], w[3]}); }

// A run in f32.
template <int n, class T>
GPU_FUNCTION void load_run(float (&x)[n], const T* from) {
  if constexpr (n == 1) {
    x[0] = gpu::to_float(from[0]);
  } else {
    constexpr int bytes = n * sizeof(T), words = (bytes < 16 ? bytes : 16) / 4, elements = words * 4 / sizeof(T);
#pragma unroll
    for (int i = 0; i < n; i += elements) {
      uint32_t w[words];
      load_words(w, from + i);
#pragma unroll
      for (int j = 0; j < words; ++j) {
        if constexpr (sizeof(T) == 4) {
          x[i + j] = std::bit_cast<float>(w[j]);
        } else {
          const float2 pair = gpu::unpack<T>(w[j]);
          x[i + 2 * j] = pair.x, x[i + 2 * j + 1] = pair.y;
        }
      }
    }
  }
}
// Each element rounded to T.
template <int n, class T>
GPU_FUNCTION void store_run(T* to, const float (&x)[n]) {
  if constexpr (n == 1) {
    gpu::store(to, x[0]);
  } else {
    constexpr int bytes = n * sizeof(T), words = (bytes < 16 ? bytes : 16) / 4, elements = words * 4 / sizeof(T);
#pragma unroll
    for (int i = 0; i < n; i += elements) {
      uint32_t w[words];
#pragma unroll
      for (int j = 0; j < words; ++j) {
        if constexpr (sizeof(T) == 4)
          w[j] = std::bit_cast<uint32_t>(x[i + j]);
        else
          w[j] = gpu::pack<T>(x[i + 2 * j], x[i + 2 * j + 1]);
      }
      store_words(to + i, w);
    }
  }
}

}  // namespace whisper::cuda
