// What forward() leaves for backward(): a stack. Layers pop in the opposite order to that in which they pushed, so a
// layer's backward is its forward read from the bottom up.
#pragma once
#include <array>
#include <cstddef>
#include <vector>

#include "core/error.h"
#include "core/tensor.h"

namespace whisper {

class Tape {
 public:
  template <class... T>
  void push(const T&... tensors) {
    if (recording_) (saved_.push_back(tensors), ...);
  }

  // The N tensors pushed last, in the order of the push: auto [x, mean, rstd] = tape.pop<3>().
  template <size_t N>
  std::array<Tensor, N> pop() {
    if (saved_.size() < N) fail(Code::InvalidArgument, "tape: backward() pops more than forward() pushed");
    std::array<Tensor, N> top;
    for (size_t i = N; i-- > 0; saved_.pop_back()) top[i] = std::move(saved_.back());
    return top;
  }

  // Runs f without recording: what f computes on the way is released as soon as f is done with it.
  template <class F>
  auto paused(F&& f) {
    struct Restore {
      bool& flag;
      bool was;
      ~Restore() { flag = was; }
    } restore{recording_, recording_};
    recording_ = false;
    return f();
  }

  bool empty() const { return saved_.empty(); }
  void clear() { saved_.clear(); }  // after an error in the middle of a step

 private:
  std::vector<Tensor> saved_;
  bool recording_ = true;
};

}  // namespace whisper
