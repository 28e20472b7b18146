// The same calls on the CPU and on the emulated GPU, whose results must agree: how the kernels' own tests, which run
// under sanitizers and in several schedules, are written. Exactness is measured elsewhere, in test/ops.
#pragma once
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "../native/test.h"
#include "backend.h"
#include "core/random.h"

namespace whisper::test {

// Makes operands that are the same on every back end.
class Operands {
 public:
  explicit Operands(Backend& backend) : backend_(backend) {}
  Backend& backend() { return backend_; }

  // Normal numbers, rounded to the dtype.
  Tensor normal(Shape shape, DType dtype = DType::F32, float deviation = 1) {
    const Philox random(++seed_);
    std::vector<float> values(static_cast<size_t>(shape.size()));
    for (size_t i = 0; i < values.size(); ++i) values[i] = deviation * random.normal(i);
    return of(values, shape, dtype);
  }
  Tensor filled(Shape shape, float value, DType dtype = DType::F32) {
    return of(std::vector<float>(static_cast<size_t>(shape.size()), value), shape, dtype);
  }
  // Integers from `begin` to before `end`.
  Tensor integers(Shape shape, int32_t begin, int32_t end) {
    const Philox random(++seed_);
    std::vector<int32_t> values(static_cast<size_t>(shape.size()));
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = begin + static_cast<int32_t>(random(i)[0] % static_cast<uint32_t>(end - begin));
    return backend_.from_host(values.data(), shape, DType::I32);
  }
  Tensor of(const std::vector<float>& values, Shape shape, DType dtype = DType::F32) {
    Tensor f32 = backend_.from_host(values.data(), shape);
    if (dtype == DType::F32) return f32;
    Tensor t = backend_.empty(shape, dtype);
    backend_.cast(t, f32);
    return t;
  }

 private:
  Backend& backend_;
  uint64_t seed_ = 0;
};

// What a test compares: a dense tensor, f32, f16, bf16, i32 or u8, of any shape.
using Calls = std::function<std::vector<Tensor>(Operands&)>;

// Runs the calls on both and fails where an element of a result differs by more than `tolerance` times the largest of
// its tensor. With a tolerance of 0 the results have to be equal.
void agree(const std::string& what, double tolerance, const Calls& calls);

}  // namespace whisper::test
