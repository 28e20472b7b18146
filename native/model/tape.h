// What forward() leaves for backward(): a stack. Layers pop in the opposite order to that in which they pushed, so a
// layer's backward is its forward read from the bottom up.
#pragma once
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/tensor.h"

namespace whisper {

// How to compute a tensor again from others that are kept anyway. All places of the tape that remember the tensor share
// one; what they get is made once, or not at all while the tensor itself still lives.
struct Recipe {
  std::function<Tensor()> make;
  Tensor tensor;               // once made again
  std::weak_ptr<void> memory;  // of the tensor that forward() made
  Shape shape;
  DType dtype;

  Recipe(std::function<Tensor()> make, const Tensor& t)
      : make(std::move(make)), memory(t.memory()), shape(t.shape), dtype(t.dtype) {}

  Tensor get() {
    if (const auto alive = memory.lock()) return {alive, shape, dtype};
    if (!tensor) tensor = make();
    return tensor;
  }
};

class Tape {
 public:
  template <class... T>
  void push(const T&... tensors) {
    if (recording_) (saved_.push_back(remembered(tensors)), ...);
  }

  // The N tensors pushed last, in the order of the push: auto [x, mean, rstd] = tape.pop<3>().
  template <size_t N>
  std::array<Tensor, N> pop() {
    if (saved_.size() < N) fail(Code::InvalidArgument, "tape: backward() pops more than forward() pushed");
    std::array<Tensor, N> top;
    for (size_t i = N; i-- > 0; saved_.pop_back()) {
      Entry& last = saved_.back();
      top[i] = last.recipe ? last.recipe->get() : std::move(last.tensor);
    }
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

  bool recording() const { return recording_; }
  bool empty() const { return saved_.empty(); }
  void clear() { saved_.clear(); }  // after an error in the middle of a step

 private:
  // A tensor, or a recipe and no memory.
  struct Entry {
    Tensor tensor;
    std::shared_ptr<Recipe> recipe;
  };
  static Entry remembered(const Tensor& t) { return t.recipe ? Entry{{}, t.recipe} : Entry{t, nullptr}; }

  std::vector<Entry> saved_;
  bool recording_ = true;
};

}  // namespace whisper
