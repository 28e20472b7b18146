// Parameters from and to safetensors, with every name and shape checked before anything is copied.
#include <cstring>
#include <set>
#include <sstream>

#include "core/error.h"
#include "model/whisper.h"

namespace whisper {

namespace {

std::string to_string(const std::vector<int64_t>& shape) {
  std::ostringstream out;
  out << '[';
  for (size_t i = 0; i < shape.size(); ++i) out << (i ? ", " : "") << shape[i];
  out << ']';
  return out.str();
}

struct Found {
  const Safetensors* file = nullptr;
  const Safetensors::Entry* entry = nullptr;
};

// Where each tensor of the checkpoint lies, by its name with the "model." prefix, which WhisperModel checkpoints lack.
std::map<std::string, Found> index_of(const std::vector<Safetensors>& files) {
  std::map<std::string, Found> index;
  for (const Safetensors& file : files)
    for (const auto& [name, entry] : file.entries()) {
      const bool bare = name.starts_with("encoder.") || name.starts_with("decoder.");
      const std::string full = bare ? "model." + name : name;
      if (!index.try_emplace(full, Found{&file, &entry}).second)
        fail(Code::CorruptFile, file.path(), ": tensor ", name, " occurs twice in the checkpoint");
    }
  return index;
}

// The tied projection, where a file has it all the same, must be the embedding.
void check_projection(const Found& projection, const Found& embedding) {
  const auto &p = *projection.entry, &e = *embedding.entry;
  if (p.dtype == e.dtype && p.bytes == e.bytes && std::memcmp(p.data, e.data, p.bytes) == 0) return;
  fail(Code::CorruptFile, projection.file->path(),
       ": proj_out.weight differs from model.decoder.embed_tokens.weight; only models whose projection is tied are "
       "supported");
}

}  // namespace

void Whisper::load(const std::vector<std::string>& paths) {
  if (paths.empty()) fail(Code::InvalidArgument, "no checkpoint files given");
  std::vector<Safetensors> files;
  for (const std::string& path : paths) files.emplace_back(path);
  std::map<std::string, Found> index = index_of(files);

  for (const Param& p : params_.list()) {
    const auto found = index.find(p.name);
    if (found == index.end())
      fail(Code::CorruptFile, paths.front(), ": tensor ", p.name, " of shape ", to_string(p.file_shape()),
           " is missing");
    if (found->second.entry->shape != p.file_shape())
      fail(Code::ShapeMismatch, found->second.file->path(), ": tensor ", p.name, " has shape ",
           to_string(found->second.entry->shape), ", but the configuration says ", to_string(p.file_shape()));
  }
  std::set<std::string> known;
  for (const Param& p : params_.list()) known.insert(p.name);
  for (const auto& [name, found] : index) {
    if (name == "proj_out.weight")
      check_projection(found, index.at(decoder_.embedding().name));
    else if (!known.contains(name))
      fail(Code::CorruptFile, found.file->path(), ": tensor ", name,
           " does not belong to a model of this configuration");
  }

  std::vector<float> host;
  for (const Param& p : params_.list()) {
    const Found& found = index.at(p.name);
    host.resize(static_cast<size_t>(p.shape.size()));
    found.file->read_f32(*found.entry, p.name, host.data());
    from_file_layout(*backend_, p, p.exact(), host.data());
  }
  params_.refresh(*backend_);
  backend_->synchronize();
}

void Whisper::save(const std::string& path, const std::map<std::string, std::string>& metadata) {
  std::vector<std::vector<float>> host;
  std::vector<NamedTensor> tensors;
  for (const Param& p : params_.list()) {
    const auto& data = host.emplace_back(to_file_layout(*backend_, p, p.exact()));
    tensors.push_back({p.name, "F32", p.file_shape(), data.data(), data.size() * sizeof(float)});
  }
  save_safetensors(path, tensors, metadata);
}

}  // namespace whisper
