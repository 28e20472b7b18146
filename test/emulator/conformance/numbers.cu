// Conformance of numbers.cuh: conversions, wide accesses and the fast functions.
#include <gpu/numbers.cuh>

#include "conformance.h"

namespace whisper::conformance {
namespace {

using namespace gpu;

// Of a NaN no more than that it is one: its sign and payload are nobody's promise.
GPU_FUNCTION uint32_t bits_of(float x) { return x == x ? std::bit_cast<uint32_t>(x) : 0x7fffffffu; }
template <class T>
GPU_FUNCTION uint32_t bits_of(T x) {
  const float wide = to_float(x);
  return wide == wide ? x.bits : 0x7fffu;
}

// Every number of 16 bits, 256 in a block.
template <class T>
__global__ void widen_kernel(uint32_t* out) {
  const uint32_t i = blockIdx.x * 256 + threadIdx.x;
  out[i] = bits_of(to_float(T{static_cast<uint16_t>(i)}));
}

template <class T>
__global__ void narrow_kernel(uint32_t* out, const float* in, uint32_t count) {
  const uint32_t i = blockIdx.x * 256 + threadIdx.x;
  const float x = in[i], y = in[count - 1 - i];
  T stored;
  store(&stored, x);
  const uint32_t packed = pack<T>(x, y);
  const float2 pair = unpack<T>(packed);
  uint32_t* const mine = out + 5 * i;
  mine[0] = bits_of(stored);
  mine[1] = bits_of(T{static_cast<uint16_t>(packed)}) | bits_of(T{static_cast<uint16_t>(packed >> 16)}) << 16;
  mine[2] = bits_of(rounded<T>(x));
  mine[3] = bits_of(pair.x);
  mine[4] = bits_of(pair.y);
}

// By blocks: 2ˣ, eˣ, 1/x and 1/√x.
__global__ void functions_kernel(float* out, const float* in) {
  const unsigned i = blockIdx.x * 256 + threadIdx.x;
  const float x = in[i];
  out[i] = blockIdx.x == 0   ? fast_exp2(x)
           : blockIdx.x == 1 ? fast_exp(x)
           : blockIdx.x == 2 ? fast_reciprocal(x)
                             : reciprocal_sqrt(x);
}

__global__ void accesses_kernel(uint32_t* out, const uint32_t* in) {
  const unsigned i = threadIdx.x, other = 63 - i;
  store16(out + 8 * i, load16(in + 8 * other));
  store8(out + 8 * i + 4, load8(in + 8 * other + 4));
  store4(out + 8 * i + 6, load4(in + 8 * other + 7));
  store4(out + 8 * i + 7, load4(in + 8 * other + 6));
}

// Of all magnitudes: random bits, and what lies on both sides of every limit of the 16-bit formats: ties, the smallest
// and largest normal and subnormal numbers, infinities and NaN, of either sign.
std::vector<float> floats() {
  std::vector<uint32_t> all = random_words(4096, 6);
  size_t i = 0;
  for (const float limit : {0.0f,        0x1p-149f,
                            0x1p-126f,   0x1p-133f,
                            0x1p-134f,   0x1.8p-133f,
                            0x1p-24f,    0x1p-25f,
                            0x1.8p-24f,  0x1p-14f,
                            1.0f,        0x1.002p0f,
                            0x1.006p0f,  0x1.01p0f,
                            0x1.03p0f,   65504.0f,
                            65520.0f,    0x1.fep127f,
                            0x1.ffp127f, 0x1.fffffep127f,
                            HUGE_VALF,   std::bit_cast<float>(0x7fc00000u)}) {
    const auto word = std::bit_cast<uint32_t>(limit);
    for (const uint32_t near : {word, word + 1, word == 0 ? word : word - 1}) {
      all[i++] = near;
      all[i++] = near | 0x80000000u;
    }
  }
  std::vector<float> values(all.size());
  std::memcpy(values.data(), all.data(), all.size() * sizeof(float));
  return values;
}

template <class T>
Result widened(Device& device) {
  const Array<uint32_t> out(device, 65536);
  launch(device, "widen", {.x = 256, .threads = 256}, widen_kernel<T>, out.get());
  return {out.words()};
}

template <class T>
Result narrowed(Device& device) {
  const std::vector<float> numbers = floats();
  const auto count = static_cast<uint32_t>(numbers.size());
  const Array<float> in(device, numbers);
  const Array<uint32_t> out(device, size_t{5} * count);
  launch(device, "narrow", {.x = count / 256, .threads = 256}, narrow_kernel<T>, out.get(), in.get(), count);
  return {out.words()};
}

}  // namespace

CONFORMS(f32_of_every_f16) { return widened<f16>(device); }
CONFORMS(f32_of_every_bf16) { return widened<bf16>(device); }
CONFORMS(f16_of_f32) { return narrowed<f16>(device); }
CONFORMS(bf16_of_f32) { return narrowed<bf16>(device); }

CONFORMS(wide_accesses) {
  const Array<uint32_t> in(device, random_words(64 * 8, 7)), out(device, 64 * 8);
  launch(device, "accesses", {.threads = 64}, accesses_kernel, out.get(), in.get());
  return {out.words()};
}

// CUDA C++ Programming Guide, "Mathematical Functions", and PTX ISA: 2ˣ and 1/x have some 2 ulp, 1/√x 2, and eˣ as
// many as the rounding of x·log2(e) makes of it. Numbers below the normal ones may be 0.
CONFORMS(fast_functions) {
  const std::vector<float> random = random_numbers(1024, 8);
  std::vector<float> numbers(1024), allowed(1024);
  for (size_t i = 0; i < 1024; ++i) {
    const size_t function = i / 256;
    const float x = random[i], magnitude = std::bit_cast<float>((std::bit_cast<uint32_t>(x) & 0x7fffff) |
                                                                static_cast<uint32_t>(27 + i % 200) << 23);
    numbers[i] = function == 0 ? 140 * x : function == 1 ? 95 * x : function == 2 && x < 0 ? -magnitude : magnitude;
    if (i % 64 == 0) numbers[i] = HUGE_VALF;
    if (i % 64 == 1) numbers[i] = std::bit_cast<float>(0x7fc00000u);
    if (i % 64 == 2 && function != 2) numbers[i] = 0;
    if (i % 64 == 3) numbers[i] = function == 3 ? -1 : -HUGE_VALF;
    const double y = numbers[i], exact = function == 0   ? std::exp2(y)
                                         : function == 1 ? std::exp(y)
                                         : function == 2 ? 1 / y
                                                         : 1 / std::sqrt(y);
    const double ulps = function == 1 ? 4 + 1.2 * std::abs(y) : 4;
    allowed[i] = std::isfinite(exact) ? static_cast<float>(ulps * 0x1p-23 * std::abs(exact) + 0x1p-126) : 0;
  }
  const Array<float> in(device, numbers), out(device, numbers.size());
  launch(device, "functions", {.x = 4, .threads = 256}, functions_kernel, out.get(), in.get());
  return {out.words(), allowed};
}

}  // namespace whisper::conformance
