// Work that is put together before it is queued, on the emulated GPU, which does it at the latest moment allowed.
#include <cstdlib>

#include "agree.h"

namespace whisper::test {
namespace {

// While this lives, back ends that are opened use graphs.
struct WithGraphs {
  WithGraphs() { setenv("WHISPER_TUNE_CUDA_GRAPHS", "1", 1); }
  ~WithGraphs() { unsetenv("WHISPER_TUNE_CUDA_GRAPHS"); }
};

float first(Backend& backend, const Tensor& x) {
  float value = 0;
  backend.download(&value, x.address, sizeof value);
  return value;
}

}  // namespace

TEST(cuda_graph_does_what_was_queued) {
  const WithGraphs on;
  const auto backend = open_backend("cuda-emulator");
  Operands make(*backend);
  const Tensor x = make.filled({1000}, 1);
  for (int step = 0; step < 3; ++step) {
    Graph graph(*backend, 1);
    {
      // Released before it is used, as a step's activations are.
      const Tensor y = make.filled({1000}, 2);
      backend->add(x, x, y);
    }
    const Tensor z = make.filled({1000}, 3);
    backend->add(x, x, z);
    graph.end();
  }
  CHECK(first(*backend, x) == 1 + 3 * 5);
}

TEST(cuda_graph_lets_the_host_wait_in_between) {
  const WithGraphs on;
  const auto backend = open_backend("cuda-emulator");
  Operands make(*backend);
  Graph graph(*backend, 2);
  const Tensor x = make.filled({300}, 1), y = make.filled({300}, 2);
  backend->add(x, x, y);
  CHECK(first(*backend, x) == 3);
  backend->add(x, x, y);
  graph.end();
  CHECK(first(*backend, x) == 5);
}

TEST(cuda_graph_that_an_error_ends_is_done_all_the_same) {
  const WithGraphs on;
  const auto backend = open_backend("cuda-emulator");
  Operands make(*backend);
  const Tensor x = make.filled({300}, 1);
  CHECK_THROWS(ShapeMismatch, "add", {
    Graph graph(*backend, 3);
    backend->add(x, x, x);
    backend->add(x, x, make.filled({301}, 2));
  });
  CHECK(first(*backend, x) == 2);
}

TEST(cuda_graph_switch_is_0_or_1) {
  setenv("WHISPER_TUNE_CUDA_GRAPHS", "yes", 1);
  CHECK_THROWS(InvalidArgument, "WHISPER_TUNE_CUDA_GRAPHS: expected 0 or 1, got \"yes\"",
               open_backend("cuda-emulator"));
  unsetenv("WHISPER_TUNE_CUDA_GRAPHS");
}

}  // namespace whisper::test
