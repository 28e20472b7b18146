// Files of named tensors (https://github.com/huggingface/safetensors, README "Format"): an 8-byte little-endian header
// length, a JSON header {name: {dtype, shape, data_offsets}}, then the bytes. Reading maps the file; nothing is
// trusted.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.h"

namespace whisper {

class Safetensors {
 public:
  struct Entry {
    std::string dtype;  // as written: "F32", "F16", "BF16", "I64" …
    std::vector<int64_t> shape;
    const std::byte* data = nullptr;  // inside the map; not necessarily aligned
    size_t bytes = 0;
  };

  // Maps and checks the whole header: length, JSON, offsets inside the file, sizes that match shape and dtype, no
  // overlap, no gap. Throws File when it cannot be opened, CorruptFile (naming file, tensor and what is wrong)
  // otherwise.
  explicit Safetensors(const std::string& path);
  ~Safetensors();
  Safetensors(Safetensors&&) noexcept;
  Safetensors& operator=(Safetensors&&) noexcept;

  const std::string& path() const { return path_; }
  const std::map<std::string, Entry>& entries() const { return entries_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const Entry* find(const std::string& name) const;  // null when absent

  // The tensor as f32 (from F32, F16 or BF16) into `to`, which holds as many elements as the shape says.
  // Throws CorruptFile for another dtype.
  void read_f32(const Entry& entry, const std::string& name, float* to) const;

 private:
  Safetensors() = default;

  std::string path_;
  std::map<std::string, Entry> entries_;
  std::map<std::string, std::string> metadata_;
  void* map_ = nullptr;
  size_t size_ = 0;
};

// What save_safetensors writes, in this order.
struct NamedTensor {
  std::string name;
  std::string dtype;  // "F32", "U8" …
  std::vector<int64_t> shape;
  const void* data = nullptr;
  size_t bytes = 0;
  // Instead of data: called when the tensor's turn comes, so that tensors need not be in host memory all at once. What
  // it returns is read before the next is called.
  std::function<const void*()> fetch{};
};

// Writes path + ".partial", syncs it and renames it, so that path is never half written. Throws File (disk full, no
// permission …) after removing the partial file; what was at path before stays.
void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata);

}  // namespace whisper
