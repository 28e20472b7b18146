// Tied projection and softmax cross-entropy with both gradients, over chunks of rows that have a label.
//
//     logits = x·Wᵀ          G = scale·∂loss/∂logits, in place of the logits          dx = G·W          dW += Gᵀ·x
//
// Which rows have a label only the device knows: one launch lists them, and the products of every chunk that there
// could be are queued, with how many of the chunk's rows there are; where there are none their blocks end at once.
// Logits are f32, G is of the compute dtype.
#include "core/expect.h"
#include "core/workspace.h"
#include "cuda/cuda_backend.h"
#include "cuda/fault.cuh"
#include "cuda/gemm.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"
#include "cuda/typed.h"
#include "cuda/vector.cuh"

namespace whisper {
namespace {

using namespace gpu;
using cuda::Factor;

constexpr int list_threads = 1024, copy_threads = 256, rows_per_block = copy_threads / 32;

GPU_FUNCTION bool has_label(int32_t label, int64_t vocab) { return label >= 0 && label < vocab; }

// One block: the rows with a label in their order, how many of them each chunk has, and the losses of the others, 0.
__global__ void __launch_bounds__(list_threads)
    list_kernel(int32_t* labelled, int32_t* live, float* loss, const int32_t* labels, int64_t rows, int64_t vocab,
                int64_t chunk, cuda::Fault* fault) {
  constexpr int warps = list_threads / 32;
  SHARED_ARRAY(int, count_of, [warps]);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  int64_t count = 0;  // in the steps before
  for (int64_t begin = 0; begin < rows; begin += list_threads) {
    const int64_t r = begin + threadIdx.x;
    const int32_t label = r < rows ? labels[r] : -1;
    if (label >= vocab) cuda::report(fault, cuda::FaultKind::label, label, r, vocab);
    const bool listed = has_label(label, vocab);
    if (r < rows && !listed) loss[r] = 0;
    const unsigned votes = __ballot_sync(0xffffffff, listed);
    if (lane == 0) count_of[warp] = __popc(votes);
    __syncthreads();
    int before = 0, all = 0;  // in the warps before, and in all
    for (int w = 0; w < warps; ++w) {
      if (w < warp) before += count_of[w];
      all += count_of[w];
    }
    if (listed) labelled[count + before + __popc(votes & ((1u << lane) - 1))] = static_cast<int32_t>(r);
    count += all;
    __syncthreads();
  }
  for (int64_t c = threadIdx.x; c * chunk < rows; c += list_threads) {
    const int64_t rest = count - c * chunk;
    live[c] = static_cast<int32_t>(rest < 0 ? 0 : rest < chunk ? rest : chunk);
  }
}

// Words of 16, 4 or 2 bytes, whichever rows are made of.
GPU_FUNCTION void copy_word(uint4* to, const uint4* from) { store16(to, load16(from)); }
GPU_FUNCTION void copy_word(uint32_t* to, const uint32_t* from) { *to = *from; }
GPU_FUNCTION void copy_word(uint16_t* to, const uint16_t* from) { *to = *from; }

// A warp for each of the first live[0] rows: gathered by the index one behind the other, or scattered to where it has
// them.
template <class Word>
__global__ void __launch_bounds__(copy_threads) copy_rows_kernel(Word* to, const Word* from, const int32_t* index,
                                                                 const int32_t* live, bool scatter, int64_t words) {
  const int64_t r = int64_t{blockIdx.x} * rows_per_block + threadIdx.x / 32;
  if (r >= *live) return;
  to += (scatter ? index[r] : r) * words, from += (scatter ? r : index[r]) * words;
  for (int64_t i = threadIdx.x % 32; i < words; i += 32) copy_word(to + i, from + i);
}

// A warp for each row: zeros where it has no label.
template <class Word>
__global__ void __launch_bounds__(copy_threads)
    clear_rows_kernel(Word* rows, const int32_t* labels, int64_t count, int64_t vocab, int64_t words) {
  const int64_t r = int64_t{blockIdx.x} * rows_per_block + threadIdx.x / 32;
  if (r >= count || has_label(labels[r], vocab)) return;
  for (int64_t i = threadIdx.x % 32; i < words; i += 32) rows[r * words + i] = Word{};
}

// Exact to an ulp or two where the rest of the arithmetic is.
template <class T>
GPU_FUNCTION float exponential(float x) {
  if constexpr (std::is_same_v<T, float>)
    return expf(x);
  else
    return fast_exp(x);
}

constexpr int run = 4;

// Four logits from column v on; -∞ beyond the vocabulary, where a row goes on to a multiple of 128.
GPU_FUNCTION void load_logits(float (&x)[run], const float* row, int v, int vocab) {
  cuda::load_run<run>(x, row + v);
#pragma unroll
  for (int j = 0; j < run; ++j)
    if (v + j >= vocab) x[j] = -INFINITY;
}

// A block for each of the first live[0] rows of logits. Its loss, lse - (1-ε)·logits[label] - ε·mean(logits), and, if
// scale is not 0, scale times its gradient, softmax - (1-ε)·[v = label] - ε/V, as T from the row's begin on.
template <int threads, class T>
__global__ void __launch_bounds__(threads)
    cross_entropy_kernel(float* logits, int stride, float* loss, const int32_t* labelled, const int32_t* labels,
                         const int32_t* live, int vocab, float smoothing, float scale) {
  const int64_t r = blockIdx.x;
  if (r >= *live) return;
  float* const row = logits + r * stride;
  const int32_t label = labels[labelled[r]];
  const float of_label = row[label];

  float most = -INFINITY, total = 0, sum = 0;  // Σ exp(logit - most), Σ (logit - of_label)
  for (int v = threadIdx.x * run; v < vocab; v += threads * run) {
    float x[run];
    load_logits(x, row, v, vocab);
    const float largest = fmaxf(fmaxf(x[0], x[1]), fmaxf(x[2], x[3]));
    if (largest > most) total *= exponential<T>(most - largest), most = largest;
#pragma unroll
    for (int j = 0; j < run; ++j) {
      total += exponential<T>(x[j] - most);
      if (v + j < vocab) sum += x[j] - of_label;
    }
  }
  const float own = most;
  most = cuda::block_max<threads>(most);
  total = cuda::block_sum<threads>(own == -INFINITY ? total : total * exponential<T>(own - most));
  if (smoothing > 0) sum = cuda::block_sum<threads>(sum);
  if (threadIdx.x == 0) loss[labelled[r]] = logf(total) - (of_label - most) - smoothing * (sum / vocab);
  if (scale == 0) return;

  // Where T has 16 bits, what is written lies over logits that every thread has read before the barrier.
  T* const gradients = reinterpret_cast<T*>(row);
  const float rest = scale / total, even = scale * smoothing / vocab, of_one = scale * (1 - smoothing);
  for (int begin = 0; begin < stride; begin += threads * run) {
    const int v = begin + threadIdx.x * run;
    float x[run];
    if (v < stride) load_logits(x, row, v, vocab);
    if constexpr (sizeof(T) < sizeof(float)) __syncthreads();
    if (v >= stride) continue;
#pragma unroll
    for (int j = 0; j < run; ++j) {
      const float softmax = exponential<T>(x[j] - most) * rest - even;
      x[j] = v + j >= vocab ? 0 : v + j == label ? softmax - of_one : softmax;
    }
    cuda::store_run<run>(gradients + v, x);
  }
}

// f of rows of words: their number in a row, and the row's addresses as such.
template <class F, class... A>
void as_words(int64_t row_bytes, F f, A*... addresses) {
  const auto made_of = [&](size_t bytes) {
    return row_bytes % static_cast<int64_t>(bytes) == 0 &&
           ((reinterpret_cast<uintptr_t>(addresses) % bytes == 0) && ...);
  };
  const auto call = [&](auto word) {
    using Word = decltype(word);
    f(row_bytes / static_cast<int64_t>(sizeof(Word)), static_cast<Word*>(addresses)...);
  };
  if (made_of(16))
    call(uint4{});
  else if (made_of(4))
    call(uint32_t{});
  else
    call(uint16_t{});
}

}  // namespace

void CudaBackend::classifier(Out loss, Out dx, Acc dweight, In x, In labels, In weight, float scale, float smoothing) {
  const Expect op("classifier");
  const int64_t rows = x.shape.rows(), width = x.shape.width(), vocab = weight.shape.rows();
  const DType type = op.compute("x", x);
  op.dense("weight", weight, vocab, width, type);
  op.dense("x", x, rows, width, type);
  op.flat("labels", labels, rows, DType::I32);
  op.flat("loss", loss, rows);
  if (dx) op.dense("dx", dx, rows, width, type);
  if (dweight) op.dense("dweight", dweight, vocab, width);
  if (rows == 0) return;

  const auto row_bytes = width * static_cast<int64_t>(size_of(type));
  const bool gradients = (dx || dweight) && scale != 0;
  const ClassifierChunk space(DeviceKind::gpu, rows, vocab, width, type);
  const std::shared_ptr<void> memory = allocate(space.bytes());
  auto* const logits = static_cast<float*>(memory.get());
  std::byte* const input = static_cast<std::byte*>(memory.get()) + space.logits;
  std::byte* const gradient = input + space.inputs;
  auto* const labelled = reinterpret_cast<int32_t*>(gradient + space.inputs);
  int32_t* const live = labelled + rows;
  launch(device(), "classifier", {.x = 1, .threads = list_threads}, list_kernel, labelled, live, loss.as<float>(),
         labels.as<int32_t>(), rows, vocab, space.rows, fault());
  if (dx && !gradients) zero(dx.address, static_cast<size_t>(rows * row_bytes));
  if (dx && gradients)
    as_words(
        row_bytes,
        [&](int64_t words, auto* to) {
          using Word = std::remove_pointer_t<decltype(to)>;
          launch(device(), "classifier", {.x = cuda::blocks(rows, rows_per_block), .threads = copy_threads},
                 clear_rows_kernel<Word>, to, labels.as<int32_t>(), rows, vocab, words);
        },
        dx.address);

  const auto copy_rows = [&](void* to, const void* from, int64_t chunk, int64_t n, bool scatter) {
    as_words(
        row_bytes,
        [&](int64_t words, auto* target, auto* source) {
          using Word = std::remove_pointer_t<decltype(target)>;
          launch(device(), "classifier", {.x = cuda::blocks(n, rows_per_block), .threads = copy_threads},
                 copy_rows_kernel<Word>, target, source, labelled + chunk * space.rows, live + chunk, scatter, words);
        },
        to, const_cast<void*>(from));
  };
  const cuda::Rows w(weight), in(input, type, width), out(gradient, type, width);
  const cuda::Rows g(logits, type, type == DType::F32 ? space.stride : 2 * space.stride);
  for (int64_t begin = 0; begin < rows; begin += space.rows) {
    const int64_t n = std::min(space.rows, rows - begin), chunk = begin / space.rows;
    copy_rows(input, x.address, chunk, n, false);
    cuda::gemm(*this, "classifier",
               {.m = n,
                .n = vocab,
                .k = width,
                .a = {in, Factor::Across},
                .b = {w, Factor::Across},
                .c = {logits, DType::F32, space.stride},
                .live = live + chunk});
    cuda::typed(type, [&](auto element) {
      using T = decltype(element);
      // Many threads for a long row, so that few rows are read at a time, and their second reading finds them cached.
      const bool long_rows = vocab > 8192;
      launch(device(), "classifier", {.x = n, .threads = long_rows ? 1024 : 256},
             long_rows ? cross_entropy_kernel<1024, T> : cross_entropy_kernel<256, T>, logits, space.stride,
             loss.as<float>(), labelled + begin, labels.as<int32_t>(), live + chunk, vocab, smoothing,
             gradients ? scale : 0);
    });
    if (dx && gradients) {
      cuda::gemm(*this, "classifier",
                 {.m = n,
                  .n = width,
                  .k = vocab,
                  .a = {g, Factor::Across},
                  .b = {w, Factor::Along},
                  .c = out,
                  .live = live + chunk});
      copy_rows(dx.address, gradient, chunk, n, true);
    }
    if (dweight && gradients)
      cuda::gemm(*this, "classifier",
                 {.m = vocab,
                  .n = width,
                  .k = n,
                  .a = {g, Factor::Along},
                  .b = {in, Factor::Along},
                  .c = dweight,
                  .add = true,
                  .live = live + chunk});
  }
}

}  // namespace whisper
