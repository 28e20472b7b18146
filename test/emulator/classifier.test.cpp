// The classifier on the emulated GPU.
#include "agree.h"
#include "dry_backend.h"

namespace whisper::test {
namespace {

// Every third label is ignored, but never the first; `all`: none is.
Tensor labels_of(Operands& make, int64_t rows, int64_t vocab, bool all) {
  const Philox random(7);
  std::vector<int32_t> labels(static_cast<size_t>(rows));
  for (size_t r = 0; r < labels.size(); ++r)
    labels[r] = !all && r % 3 == 1 ? -100 : static_cast<int32_t>(random(r)[0] % static_cast<uint32_t>(vocab));
  return make.backend().from_host(labels.data(), {rows}, DType::I32);
}

struct Sizes {
  int64_t rows, width, vocab;
};

std::vector<Tensor> losses_and_gradients(Operands& make, const Sizes& size, DType type, float smoothing,
                                         bool all = false) {
  const auto [rows, width, vocab] = size;
  const Tensor x = make.normal({rows, width}, type), weight = make.normal({vocab, width}, type, 0.5f);
  const Tensor labels = labels_of(make, rows, vocab, all);
  Tensor loss = make.filled({rows}, NAN), dx = make.filled({rows, width}, NAN, type),
         dweight = make.normal({vocab, width});
  make.backend().classifier(loss, dx, dweight, x, labels, weight, 0.25f, smoothing);
  return {loss, dx, dweight};
}

// Gradients of logits are rounded to the dtype.
double tolerance(DType type) { return type == DType::F32 ? 1e-5 : type == DType::F16 ? 2e-3 : 1.5e-2; }

}  // namespace

TEST(cuda_classifier) {
  for (const DType type : {DType::F32, DType::F16, DType::BF16})
    for (const Sizes& size : {Sizes{1, 1, 1}, {5, 7, 17}, {9, 24, 130}, {4, 40, 513}})
      for (const float smoothing : {0.0f, 0.1f})
        agree("classifier", tolerance(type),
              [&](Operands& make) { return losses_and_gradients(make, size, type, smoothing); });
}

// More logits than a block takes in a step; the gradients of one lie where the next are still to be read.
TEST(cuda_classifier_long_rows) {
  for (const DType type : {DType::F32, DType::BF16})
    agree("classifier", tolerance(type), [&](Operands& make) {
      return losses_and_gradients(make, {2, 8, 9001}, type, 0.1f, /*all=*/true);
    });
}

// 1024 rows are a chunk.
TEST(cuda_classifier_chunks) {
  agree("classifier", tolerance(DType::F16), [](Operands& make) {
    return losses_and_gradients(make, {1030, 8, 40}, DType::F16, 0.1f, /*all=*/true);
  });
}

TEST(cuda_classifier_race) {
  agree("classifier", tolerance(DType::BF16), [](Operands& make) {
    return losses_and_gradients(make, {3, 8, 40}, DType::BF16, 0.1f);
  });
}

TEST(cuda_classifier_without_gradients) {
  agree("classifier", 1e-5, [](Operands& make) {
    const Tensor x = make.normal({5, 24}), weight = make.normal({50, 24}), labels = labels_of(make, 5, 50, false);
    Tensor loss = make.filled({5}, NAN), unscaled = make.filled({5}, NAN), dx = make.filled({5, 24}, NAN);
    make.backend().classifier(loss, Tensor(), Tensor(), x, labels, weight, 1, 0);
    make.backend().classifier(unscaled, dx, Tensor(), x, labels, weight, 0, 0);
    return std::vector{loss, unscaled, dx};
  });
}

TEST(cuda_classifier_reports_a_label_outside_the_vocabulary) {
  const std::shared_ptr<Backend> gpu = open_backend("cuda-emulator");
  Operands make(*gpu);
  const std::vector<int32_t> labels{3, 50};
  const Tensor of = gpu->from_host(labels.data(), {2}, DType::I32);
  Tensor loss = gpu->empty({2});
  gpu->classifier(loss, Tensor(), Tensor(), make.normal({2, 24}), of, make.normal({50, 24}), 1, 0);
  CHECK_THROWS(InvalidArgument, "classifier: label 50 of row 1 is not below 50", gpu->synchronize());
}

// What operations take for themselves is what the dry run counts.
TEST(cuda_workspace) {
  const auto peak = [](Backend& backend, const auto& call) {
    Operands make(backend);
    call(make);
    return backend.peak_bytes();
  };
  const auto check_counted = [&](const auto& call) {
    DryBackend dry(DeviceKind::gpu);
    const size_t before = open_backend("cuda-emulator")->peak_bytes();
    CHECK(peak(*open_backend("cuda-emulator"), call) - before == peak(dry, call));
  };
  for (const DType type : {DType::F32, DType::BF16})
    check_counted([&](Operands& make) { losses_and_gradients(make, {9, 7, 130}, type, 0, /*all=*/true); });
  check_counted([](Operands& make) {
    Tensor grads = make.backend().zeros({100000}), norm = make.backend().empty({1});
    make.backend().norm(norm, grads);
  });
  for (const Shape& shape : {Shape{700}, Shape{70, 33}, Shape{3, 40, 600}})
    check_counted([&](Operands& make) {
      Backend& backend = make.backend();
      Tensor value = backend.zeros(shape), grad = backend.zeros(shape), scale = make.filled({1}, 1);
      const int64_t matrices = shape.rank == 3 ? shape[0] : 1;
      Tensor row = shape.rank > 1 ? backend.zeros({matrices * shape[-2]}) : Tensor();
      Tensor column = backend.zeros({matrices * shape[-1]});
      backend.adafactor(value, row, column, grad, scale, {.lr = 1e-2, .t = 2}, Tensor());
    });
}

}  // namespace whisper::test
