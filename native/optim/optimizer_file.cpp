// See optimizer_file.h.
#include "optim/optimizer_file.h"

#include "core/error.h"

namespace whisper {
namespace {

std::string name_of(const StateTensor& s) { return s.kind + "." + s.param->name; }

}  // namespace

void write_optimizer_file(const std::string& path, Backend& backend, const std::vector<StateTensor>& state,
                          const Metadata& metadata) {
  std::vector<std::vector<float>> host;
  std::vector<NamedTensor> tensors;
  for (const StateTensor& s : state) {
    const auto& data = host.emplace_back(to_file_layout(backend, *s.param, s.tensor));
    tensors.push_back({name_of(s), "F32", s.param->file_shape(), data.data(), data.size() * sizeof(float)});
  }
  save_safetensors(path, tensors, metadata);
}

uint64_t OptimizerFile::count(const char* key) const {
  const auto found = metadata().find(key);
  const std::string text = found == metadata().end() ? "" : found->second;
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos)
    fail(Code::CorruptFile, file_.path(), ": the metadata have no whole number '", key, "'");
  return std::stoull(text);
}

void OptimizerFile::read(Backend& backend, const std::vector<StateTensor>& state) const {
  for (const StateTensor& s : state) {
    const Safetensors::Entry* entry = file_.find(name_of(s));
    if (!entry)
      fail(Code::CorruptFile, file_.path(), ": ", name_of(s),
           " is missing; was the optimizer saved with other frozen parts?");
    if (entry->shape != s.param->file_shape())
      fail(Code::ShapeMismatch, file_.path(), ": ", name_of(s), " has another shape than the parameter");
  }
  if (file_.entries().size() != state.size())
    fail(Code::CorruptFile, file_.path(), ": ", file_.entries().size(), " tensors, expected ", state.size(),
         "; was the optimizer saved with other frozen parts?");

  std::vector<float> host;
  for (const StateTensor& s : state) {
    host.resize(static_cast<size_t>(s.param->shape.size()));
    file_.read_f32(*file_.find(name_of(s)), name_of(s), host.data());
    from_file_layout(backend, *s.param, s.tensor, host.data());
  }
  backend.synchronize();
}

}  // namespace whisper
