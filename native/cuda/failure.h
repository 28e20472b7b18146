// What is said of a GPU that failed. An error of its context stays: CUDA answers every later call of the process with
// it.
#pragma once
#include <string>

namespace whisper::gpu {

class Failure {
 public:
  // one_by_one: the host waits for each operation before it queues the next (WHISPER_TUNE_CUDA_SYNC), so that the
  // operation at which an error is found is the one that made it.
  Failure(std::string device, bool one_by_one) : device_(std::move(device)), one_by_one_(one_by_one) {}

  // Throws DeviceFailed. What lasts is thrown again by every later check().
  [[noreturn]] void report(const std::string& error, const char* op, bool lasts);
  // Throws if something that lasts was reported.
  void check() const;

 private:
  std::string device_;
  bool one_by_one_;
  std::string lasting_;
};

}  // namespace whisper::gpu
