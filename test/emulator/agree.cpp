// See agree.h.
#include "agree.h"

#include <algorithm>
#include <memory>

namespace whisper::test {
namespace {

std::vector<double> numbers(Backend& backend, const Tensor& t) {
  const auto size = static_cast<size_t>(t.shape.size());
  std::vector<double> result(size);
  backend.synchronize();
  if (t.dtype == DType::I32) {
    std::vector<int32_t> host(size);
    backend.download(host.data(), t.address, size * sizeof(int32_t));
    std::copy(host.begin(), host.end(), result.begin());
  } else if (t.dtype == DType::U8) {
    std::vector<uint8_t> host(size);
    backend.download(host.data(), t.address, size);
    std::copy(host.begin(), host.end(), result.begin());
  } else {
    Tensor wide = t;
    if (t.dtype != DType::F32) backend.cast(wide = backend.empty(t.shape), t), backend.synchronize();
    std::vector<float> host(size);
    backend.download(host.data(), wide.address, size * sizeof(float));
    std::copy(host.begin(), host.end(), result.begin());
  }
  return result;
}

std::vector<std::vector<double>> results(const std::string& device, const Calls& calls) {
  const std::shared_ptr<Backend> backend = open_backend(device);
  Operands operands(*backend);
  std::vector<std::vector<double>> all;
  for (const Tensor& t : calls(operands)) all.push_back(numbers(*backend, t));
  return all;
}

}  // namespace

void agree(const std::string& what, double tolerance, const Calls& calls) {
  const auto expected = results("cpu", calls), actual = results("cuda-emulator", calls);
  check(expected.size() == actual.size(), "as many results on both devices", __FILE__, __LINE__);
  for (size_t r = 0; r < expected.size(); ++r) {
    double largest = 0;
    for (double x : expected[r])
      if (std::isfinite(x)) largest = std::max(largest, std::abs(x));
    for (size_t i = 0; i < expected[r].size(); ++i) {
      const double x = expected[r][i], y = actual[r][i];
      if (x == y || (std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= tolerance * largest) continue;
      std::ostringstream text;
      text << what << ": result " << r << "[" << i << "] is " << y << ", the CPU has " << x << ", largest " << largest;
      throw Failed(text.str());
    }
  }
}

}  // namespace whisper::test
