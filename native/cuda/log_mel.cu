// Log-mel features of Whisper (openai/whisper audio.py, log_mel_spectrogram): frames of 400 samples, 160 apart, centred
// on multiples of 160 with the audio mirrored at its ends; power spectrum under a Hann window; mel bands; log10 down to
// 8 below the largest of the row; (x + 4) / 4. The last frame is dropped, which leaves n / 160.
//
// The transform is in double precision: features reach 80 dB below the loudest band, and there the rounding of one in
// single precision shows as errors up to 1e-4. It is Good's prime factor algorithm for 400 = 16·25. With
// n = 25·n1 + 16·n2 (mod 400),
//
//     X[k] = Σ_n2 W25^(n2·k) Σ_n1 x[n]·W16^(n1·k),
//
// a table of 16 by 25 transformed along its columns and then along its rows, with no factors in between; bin k stands
// at row k mod 16, column k mod 25. Columns are real, so that rows 9 to 15 are mirrored in rows 1 to 7, and rows 0 and
// 8 are real and travel as the two halves of one. A block takes `together` frames; threads beside each other have the
// same place of different frames, so that they meet different banks of shared memory.
#include <bit>
#include <cmath>
#include <numbers>

#include "audio/mel_filters.h"
#include "core/error.h"
#include "cuda/cuda_backend.h"
#include "cuda/reduce.cuh"
#include "cuda/rows.cuh"

namespace whisper {
namespace {

using namespace gpu;

constexpr int together = 8, threads = 8 * 5 * together;
constexpr int reach = frame_length / 2;  // samples a frame sees to each side of its centre
constexpr int span = (together - 1) * hop_length + frame_length;
constexpr float lowest = -10, logarithm_range = 8;
constexpr int most_weights = 2 * spectrum_bins;  // a bin lies in two triangles at most

// What the kernels look up, in device memory.
struct Tables {
  double window[25][16];        // the Hann window at tap n1 of column n2
  double cosine[25], sine[25];  // of 2πj/25
  int first[spectrum_bins], offset[spectrum_bins + 1];
  float weights[most_weights];  // of the bands: MelFilters
};

Tables make_tables(const MelFilters& filters) {
  Tables tables{};
  const std::vector<double> window = hann_window();
  for (int n2 = 0; n2 < 25; ++n2)
    for (int n1 = 0; n1 < 16; ++n1) tables.window[n2][n1] = window[(25 * n1 + 16 * n2) % frame_length];
  for (int j = 0; j < 25; ++j) {
    tables.cosine[j] = std::cos(2 * std::numbers::pi * j / 25);
    tables.sine[j] = std::sin(2 * std::numbers::pi * j / 25);
  }
  std::copy(filters.first.begin(), filters.first.end(), tables.first);
  std::copy(filters.offset.begin(), filters.offset.end(), tables.offset);
  std::copy(filters.weights.begin(), filters.weights.end(), tables.weights);
  return tables;
}

struct alignas(16) Complex {
  double re, im;
};
GPU_FUNCTION Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
GPU_FUNCTION Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
GPU_FUNCTION Complex operator*(double a, Complex b) { return {a * b.re, a * b.im}; }
GPU_FUNCTION Complex conj(Complex a) { return {a.re, -a.im}; }
GPU_FUNCTION Complex times_i(Complex a) { return {-a.im, a.re}; }
GPU_FUNCTION double power(Complex a) { return fma(a.re, a.re, a.im * a.im); }
// a·(c - i·s)
GPU_FUNCTION Complex turned(Complex a, double c, double s) {
  return {fma(c, a.re, s * a.im), fma(c, a.im, -(s * a.re))};
}

// X[0] … X[N/2] of real x[0], x[stride] …, each from those of the even and odd ones, E and O:
// X[k] = E[k] + W^k·O[k] and X[N/2 - k] = conj(E[k] - W^k·O[k]).
template <int N, int stride>
GPU_FUNCTION void transform_real(const double* x, Complex* to) {
  if constexpr (N == 2) {
    to[0] = {x[0] + x[stride], 0};
    to[1] = {x[0] - x[stride], 0};
  } else {
    constexpr double cosine[] = {1, 0.92387953251128675613, 0.70710678118654752440, 0.38268343236508977173, 0};
    constexpr int step = 16 / N;  // cosine[step·k] is of 2πk/N
    Complex even[N / 4 + 1], odd[N / 4 + 1];
    transform_real<N / 2, 2 * stride>(x, even);
    transform_real<N / 2, 2 * stride>(x + stride, odd);
    to[0] = {even[0].re + odd[0].re, 0};
    to[N / 2] = {even[0].re - odd[0].re, 0};
    to[N / 4] = {even[N / 4].re, -odd[N / 4].re};
#pragma unroll
    for (int k = 1; k < N / 4; ++k) {
      const Complex t = turned(odd[k], cosine[step * k], cosine[4 - step * k]);
      to[k] = even[k] + t;
      to[N / 2 - k] = conj(even[k] - t);
    }
  }
}

// x[k] becomes Σ_j x[j]·W5^(jk).
GPU_FUNCTION void transform5(Complex (&x)[5]) {
  constexpr double c1 = 0.30901699437494742410, c2 = -0.80901699437494742410;  // of 2π/5 and 4π/5
  constexpr double s1 = 0.95105651629515357212, s2 = 0.58778525229247312917;
  const Complex near = x[1] + x[4], far = x[2] + x[3], near_difference = x[1] - x[4], far_difference = x[2] - x[3];
  const Complex a = x[0] + c1 * near + c2 * far, b = x[0] + c2 * near + c1 * far;
  const Complex u = times_i(s1 * near_difference + s2 * far_difference);
  const Complex v = times_i(s2 * near_difference - s1 * far_difference);
  x[0] = x[0] + near + far;
  x[1] = a - u;
  x[2] = b - v;
  x[3] = b + v;
  x[4] = a + u;
}

// log10(x) of normal x > 0; NaN where x is not finite. With x = 2^e·m, m in [√½, √2), and s = (m - 1)/(m + 1), at most
// 0.172: ln m = 2·artanh s = 2(s + s³/3 + s⁵/5 + …), whose terms after s⁹ are below a quarter of an ulp.
GPU_FUNCTION float logarithm(float x) {
  const auto bits = std::bit_cast<int32_t>(x), exponent = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3 is √½
  const float m = std::bit_cast<float>(bits - (exponent << 23)), s = (m - 1) / (m + 1), s2 = s * s;
  float p = fmaf(s2, 1.0f / 9, 1.0f / 7);
  p = fmaf(s2, p, 1.0f / 5);
  p = fmaf(s2, p, 1.0f / 3);
  p = fmaf(s2, p, 1.0f);
  return fmaf(static_cast<float>(exponent), 0.30102999566398120f, s * p * 0.86858896380650365f) + x * 0.0f;
}

GPU_FUNCTION float amplitude(float x) { return x; }
GPU_FUNCTION float amplitude(int16_t x) { return static_cast<float>(x) * 0x1p-15f; }

// Samples in shared memory: one place in every 160 is left out, so that places 160 apart are in different banks.
GPU_FUNCTION int padded(int i) { return i + i / hop_length; }

// Logarithms of the bands of `together` frames, and the largest of them. Groups of frames are numbered through the
// batch.
template <class Sample>
__global__ void __launch_bounds__(threads, 2)
    log_energies_kernel(cuda::RowsOf<float> features, float* largest, const Sample* samples, const Tables* tables,
                        int64_t n, int frames, int mels) {
  SHARED_ARRAY(Complex, table, [8][25][together]);
  SHARED_ARRAY(double, powers, [spectrum_bins][together]);
  SHARED_ARRAY(float, heard, [together * spectrum_bins]);  // the samples, and at last the logarithms [together, mels]
  static_assert(span + span / hop_length < together * spectrum_bins);
  const int thread = static_cast<int>(threadIdx.x), f = thread % together, item = thread / together;
  const int groups = (frames + together - 1) / together;
  const int64_t b = blockIdx.x / groups;
  const int frame = static_cast<int>(blockIdx.x % groups) * together, count = min(together, frames - frame);
  const auto write_out = [&](auto value) {
    for (int i = thread; i < count * mels; i += threads)
      features.row(b * frames + frame + i / mels)[i % mels] = value(i);
  };

  // Mirrored before the start and after the end, without repeating either.
  bool sound = false;
  for (int i = thread; i < span; i += threads) {
    const int64_t at = int64_t{frame} * hop_length - reach + i, from = at < 0 ? -at : at < n ? at : 2 * (n - 1) - at;
    const float x = i < (count - 1) * hop_length + frame_length ? amplitude(samples[b * n + from]) : 0.0f;
    sound |= x != 0;
    heard[padded(i)] = x;
  }
  // Frames that see nothing but the zeros a short clip was padded with need no transform.
  if (!cuda::block_max<threads>(static_cast<int>(sound))) {
    write_out([](int) { return lowest; });
    if (thread == 0) largest[blockIdx.x] = lowest;
    return;
  }

  // Columns.
  if (item < 25) {
    double x[16];
    Complex transformed[9];
#pragma unroll
    for (int n1 = 0; n1 < 16; ++n1)
      x[n1] = heard[padded(f * hop_length + (25 * n1 + 16 * item) % frame_length)] * tables->window[item][n1];
    transform_real<16, 1>(x, transformed);
    table[0][item][f] = {transformed[0].re, transformed[8].re};
#pragma unroll
    for (int k1 = 1; k1 < 8; ++k1) table[k1][item][f] = transformed[k1];
  }
  __syncthreads();

  // Rows: Y[r + 5s] = Σ_q W5^(qs)·W25^(qr) Σ_p x[5p + q]·W5^(pr). Each thread overwrites what it alone has read.
  const int row = item / 5, part = item % 5;
  Complex x[5];
#pragma unroll
  for (int p = 0; p < 5; ++p) x[p] = table[row][5 * p + part][f];
  transform5(x);
#pragma unroll
  for (int r = 0; r < 5; ++r)
    table[row][5 * r + part][f] = turned(x[r], tables->cosine[part * r], tables->sine[part * r]);
  __syncthreads();
#pragma unroll
  for (int q = 0; q < 5; ++q) x[q] = table[row][5 * part + q][f];
  transform5(x);
#pragma unroll
  for (int s = 0; s < 5; ++s) {
    // The bin that is `row` modulo 16 and k2 modulo 25: bins beyond the middle mirror those before it.
    const int k2 = part + 5 * s, k = (225 * row + 176 * k2) % frame_length;
    if (row > 0)
      powers[min(k, frame_length - k)][f] = power(x[s]);
    else
      table[0][5 * part + s][f] = x[s];  // Y[part + 5s]
  }
  __syncthreads();
  // Rows 0 and 8: a = (y + ȳ)/2 and b = (y - ȳ)/2i, ȳ the mirrored y.
  if (item < 13) {
    const auto at = [&](int k2) { return table[0][5 * (k2 % 5) + k2 / 5][f]; };
    const Complex y = at(item), mirrored = conj(at((25 - item) % 25));
    const int even = 176 * item % frame_length, odd = (225 * 8 + 176 * item) % frame_length;
    powers[min(even, frame_length - even)][f] = 0.25 * power(y + mirrored);
    powers[min(odd, frame_length - odd)][f] = 0.25 * power(y - mirrored);
  }
  __syncthreads();

  float top = lowest;
  for (int m = item; m < mels; m += threads / together) {
    const float* weights = tables->weights + tables->offset[m];
    const int width = tables->offset[m + 1] - tables->offset[m], first = tables->first[m];
    double energy = 0;
    for (int k = 0; k < width; ++k) energy = fma(static_cast<double>(weights[k]), powers[first + k][f], energy);
    const auto x = static_cast<float>(energy);
    const float y = x < 1e-10f ? lowest : logarithm(x);
    heard[f * mels + m] = y;
    if (f < count && y > top) top = y;
  }
  top = cuda::block_max<threads>(top);  // and all logarithms are there
  if (thread == 0) largest[blockIdx.x] = top;
  write_out([&](int i) { return heard[i]; });
}

constexpr int rescaled = 32;  // frames of a block

// x = (max(x, floor) + 4) / 4, the floor 8 below the largest of the row of the batch.
__global__ void __launch_bounds__(threads)
    rescale_kernel(cuda::RowsOf<float> features, const float* largest, int frames, int mels) {
  const int parts = (frames + rescaled - 1) / rescaled, groups = (frames + together - 1) / together;
  const int64_t b = blockIdx.x / parts;
  const int frame = static_cast<int>(blockIdx.x % parts) * rescaled, count = min(rescaled, frames - frame);
  float top = lowest;
  for (int i = static_cast<int>(threadIdx.x); i < groups; i += threads)
    top = cuda::Larger{}(top, largest[b * groups + i]);
  const float floor = cuda::block_max<threads>(top) - logarithm_range;
  for (int i = static_cast<int>(threadIdx.x); i < count * mels; i += threads) {
    float& x = features.row(b * frames + frame + i / mels)[i % mels];
    x = ((x < floor ? floor : x) + 4) * 0.25f;  // a NaN stays one
  }
}

}  // namespace

void CudaBackend::log_mel(Out features, In samples) {
  const int64_t n = samples.shape.width(), batch = samples.shape.rows();
  const int64_t frames = n / hop_length, mels = features.shape.width();
  if (samples.dtype != DType::F32 && samples.dtype != DType::I16)
    fail(Code::InvalidArgument, "log_mel: samples is ", name_of(samples.dtype), ", expected F32 or I16");
  if (n <= reach) fail(Code::InvalidArgument, "log-mel features need at least ", reach + 1, " samples, not ", n);
  if (features.shape.rank != 3 || features.shape[0] != batch || features.shape[1] != frames)
    fail(Code::ShapeMismatch, "log-mel features of samples ", samples.shape, " have the shape [", batch, ", ", frames,
         ", mels], not ", features.shape);
  const MelFilters& filters = mel_filters(static_cast<int>(mels));
  if (batch * frames == 0) return;
  std::shared_ptr<void>& tables = log_mel_tables_[static_cast<int>(mels)];
  if (!tables) {
    const Tables made = make_tables(filters);
    tables = allocate(sizeof made);
    upload(tables.get(), &made, sizeof made);
  }

  const int64_t groups = batch * cuda::blocks(frames, together);
  const std::shared_ptr<void> largest = allocate(static_cast<size_t>(groups) * sizeof(float));
  const auto transform = [&]<class Sample>(const Sample* from) {
    launch(device(), "log_mel", {.x = groups, .threads = threads}, log_energies_kernel<Sample>,
           cuda::RowsOf<float>(features), static_cast<float*>(largest.get()), from,
           static_cast<const Tables*>(tables.get()), n, static_cast<int>(frames), static_cast<int>(mels));
  };
  samples.dtype == DType::I16 ? transform(samples.as<int16_t>()) : transform(samples.as<float>());
  launch(device(), "log_mel", {.x = batch * cuda::blocks(frames, rescaled), .threads = threads}, rescale_kernel,
         cuda::RowsOf<float>(features), static_cast<const float*>(largest.get()), static_cast<int>(frames),
         static_cast<int>(mels));
}

}  // namespace whisper
