// The file of an optimizer: what a run needs beside the weights to go on as if it had never stopped.
//
// Safetensors. A tensor's name is the state's, as torch and bitsandbytes have it, and the parameter's:
//   adamw_torch, adamw_hf   exp_avg.NAME, exp_avg_sq.NAME
//   adamw_bnb_8bit          state1.NAME, state2.NAME (u8 codes, or f32 of tensors whose moments are not in 8 bits),
//                           absmax1.NAME, absmax2.NAME (of codes: one per block), qmap1, qmap2 (what codes stand for)
//   adafactor               exp_avg_sq_row.NAME, exp_avg_sq_col.NAME, of vectors exp_avg_sq.NAME
// Shapes and order are the checkpoint's, so that others can read them, but for the codes of a convolution and of an
// adapter's B: they are of blocks of 256 elements as these lie in memory, and in another order would be codes of other
// blocks. Their shape says so: [out, 3, in], for a weight that is [out, in, 3], and [rank, out] for [out, rank].
//
// Codes that come otherwise are decoded and coded again: of blocks of 2048 elements, as bitsandbytes had them before
// 0.44 (how many there are tells), with another qmap, or of a convolution in torch's order, [out, in, 3].
//
// The metadata say which run the file is of (the optimizer, the precision, what is trained, the loss scaler) and where
// it stands. A file of another run is refused.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/safetensors.h"
#include "optim/optimizer.h"

namespace whisper {

using Metadata = std::map<std::string, std::string>;
// What a run must have in common with its file, by the metadata's key, what matters most first.
using RunTraits = std::vector<std::pair<std::string, std::string>>;

void write_optimizer_file(const std::string& path, Backend& backend, const std::vector<StateTensor>& state,
                          const Metadata& metadata);

class OptimizerFile {
 public:
  explicit OptimizerFile(const std::string& path) : file_(path) {}

  // Throws InvalidArgument when the file is of another run: one line that says what differs and what can be done.
  void check_run(const RunTraits& run) const;
  // A whole number up to `most`, or a positive f32, of the metadata; throws CorruptFile.
  int64_t count(const char* key, int64_t most) const;
  float number(const char* key) const;

  // Every name, type and shape is checked before anything is copied. Throws CorruptFile or ShapeMismatch naming the
  // file, the tensor, what was expected and what came.
  void read(Backend& backend, const std::vector<StateTensor>& state) const;

 private:
  const std::string& metadata(const std::string& key) const;
  const Safetensors::Entry& entry(const std::string& name, const char* dtype) const;
  const Safetensors::Entry& entry(const std::string& name, const char* dtype, const std::vector<int64_t>& shape) const;
  void check(const StateTensor& s) const;
  void read(Backend& backend, const StateTensor& s) const;
  void read_codes(Backend& backend, const StateTensor& s) const;

  const Safetensors file_;
};

}  // namespace whisper
