// A stack of blocks: one after another, left out by LayerDrop or run again by gradient checkpointing as the context
// says.
#pragma once
#include <deque>
#include <string>

#include "model/block.h"
#include "model/dims.h"

namespace whisper {

class Stack {
 public:
  Stack(Params& p, const std::string& name, Part part, int layers, int64_t width, int heads, int64_t inner);

  Tensor forward(Context& c, Tensor x, const Tensor& audio = {}) const;
  // Returns dx and adds to daudio (absent: not wanted). May overwrite the dx that it is given.
  Tensor backward(Context& c, Tensor dx, const Tensor& audio = {}, const Tensor& daudio = {}) const;

  const std::deque<Block>& blocks() const { return blocks_; }

 private:
  bool skips(const Context& c, const Block& block) const;
  std::deque<Block> blocks_;  // a deque: blocks are not moved
  const Part part_;
  const std::string name_;
};

}  // namespace whisper
