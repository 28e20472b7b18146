// The file of an optimizer: what a run needs beside the weights to go on as if it had never stopped.
//
// Safetensors. A tensor's name is that of the state, as torch and bitsandbytes have it, and the parameter's:
// "exp_avg.model.encoder.conv1.weight". States of a parameter's shape lie as the checkpoint has the parameter.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/safetensors.h"
#include "optim/optimizer.h"

namespace whisper {

using Metadata = std::map<std::string, std::string>;

void write_optimizer_file(const std::string& path, Backend& backend, const std::vector<StateTensor>& state,
                          const Metadata& metadata);

class OptimizerFile {
 public:
  explicit OptimizerFile(const std::string& path) : file_(path) {}

  const Metadata& metadata() const { return file_.metadata(); }
  // A whole number of the metadata; throws CorruptFile.
  uint64_t count(const char* key) const;

  // Every name, type and shape is checked before anything is copied. Throws CorruptFile or ShapeMismatch naming the
  // file, the tensor, what was expected and what came.
  void read(Backend& backend, const std::vector<StateTensor>& state) const;

 private:
  const Safetensors file_;
};

}  // namespace whisper
