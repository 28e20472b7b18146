// What is said of a GPU: that there is none, that it is too old, that it failed, that it cannot launch a grid.
#include "cuda/device.h"

#include <sstream>

#include "../native/test.h"
#include "cuda/driver.h"
#include "cuda/failure.h"
#include "cuda/settings.h"

namespace whisper::test {
namespace {

std::string release(const std::string& text) {
  std::istringstream lines(text);
  return gpu::driver_release(lines);
}

}  // namespace

TEST(cuda_driver_release) {
  CHECK(release("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024\nGCC version: "
                "12.2.0") == "550.54.15");
  CHECK(release("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build") == "580.65.06");
  CHECK(release("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183") == "535.183");
  CHECK(release("").empty() && release("something else 1.2 x").empty());
}

TEST(cuda_driver_remedies) {
  using gpu::why_no_gpu;
  CHECK(why_no_gpu(0, 13000, "", "") ==
        "there is no NVIDIA driver: install driver 580 or newer, or use the device \"cpu\"");
  CHECK(why_no_gpu(12040, 13000, "550.54.15", "old") ==
        "the NVIDIA driver 550.54.15 serves CUDA 12.4, and this build needs 13.0: install driver 580 or newer, or use "
        "the "
        "device \"cpu\"");
  CHECK(why_no_gpu(0, 13000, "470.1", "").starts_with("the NVIDIA driver 470.1 is there but does not answer"));
  CHECK(why_no_gpu(13000, 13020, "580.1", "").starts_with("the NVIDIA driver 580.1 has no GPU; nvidia-smi lists"));
  CHECK(why_no_gpu(13000, 13000, "", "unknown error").starts_with("the NVIDIA driver answers: unknown error;"));
  CHECK(gpu::too_old("Tesla T4", 75) ==
        "Tesla T4 has compute capability 7.5, and 8.0 (A100, RTX 30 and newer) is the least that is supported; use the "
        "device \"cpu\"");
  CHECK(gpu::dotted(121) == "12.1");
}

TEST(cuda_failure_that_lasts) {
  gpu::Failure failure("cuda:1", false);
  failure.check();
  CHECK_THROWS(DeviceFailed,
               "cuda:1 failed: an illegal memory access in an operation that is not known (it was found by linear)",
               failure.report("an illegal memory access", "linear", true));
  CHECK_THROWS(DeviceFailed, "no more, because of what happened before: cuda:1 failed: an illegal memory access",
               failure.check());
  CHECK_THROWS(DeviceFailed, "WHISPER_TUNE_CUDA_SYNC=1 names it", failure.check());
}

TEST(cuda_failure_of_one_call) {
  gpu::Failure failure("cuda:0", false);
  CHECK_THROWS(DeviceFailed, "cuda:0: linear: invalid argument", failure.report("invalid argument", "linear", false));
  failure.check();
}

TEST(cuda_failure_one_by_one) {
  gpu::Failure failure("cuda:0", true);
  CHECK_THROWS(DeviceFailed, "cuda:0 failed: an illegal memory access in linear;",
               failure.report("an illegal memory access", "linear", true));
}

TEST(cuda_sync_variable) {
  const auto with = [](const char* value) {
    setenv("WHISPER_TUNE_CUDA_SYNC", value, 1);
    return gpu::waits_for_each_operation();
  };
  CHECK(with("1") && !with("0") && !with(""));
  CHECK_THROWS(InvalidArgument, "WHISPER_TUNE_CUDA_SYNC: expected 0 or 1, got \"yes\"", with("yes"));
  unsetenv("WHISPER_TUNE_CUDA_SYNC");
  CHECK(!gpu::waits_for_each_operation());
}

TEST(cuda_grids) {
  const gpu::Device device(0);
  const gpu::Properties& p = device.properties();
  gpu::check_grid("op", {.x = INT32_MAX, .y = 65535, .z = 65535, .threads = 1024, .shared = p.shared}, p);
  gpu::check_grid("op", {.x = 0}, p);
  CHECK_THROWS(InvalidArgument, "op: a grid of 2147483648 x 1 x 1 blocks",
               gpu::check_grid("op", {.x = int64_t{1} << 31}, p));
  CHECK_THROWS(InvalidArgument, "op: a grid of 1 x 65536 x 1", gpu::check_grid("op", {.y = 65536}, p));
  CHECK_THROWS(InvalidArgument, "op: a grid of 1 x 1 x 65536", gpu::check_grid("op", {.z = 65536}, p));
  CHECK_THROWS(InvalidArgument, "op: a grid of -1 x 1 x 1", gpu::check_grid("op", {.x = -1}, p));
  CHECK_THROWS(InvalidArgument, "op: blocks of 48 threads", gpu::check_grid("op", {.threads = 48}, p));
  CHECK_THROWS(InvalidArgument, "op: blocks of 1056 threads", gpu::check_grid("op", {.threads = 1056}, p));
  CHECK_THROWS(InvalidArgument, "op: blocks with 232449 bytes", gpu::check_grid("op", {.shared = p.shared + 1}, p));
}

}  // namespace whisper::test
