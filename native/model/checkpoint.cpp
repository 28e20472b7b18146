// Parameters from and to safetensors, with every name and shape checked before anything is copied.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <optional>
#include <set>
#include <sstream>

#include "core/error.h"
#include "core/random.h"
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

// The files of a checkpoint, and where each tensor lies in them.
class Files {
 public:
  struct Found {
    const Safetensors* file = nullptr;
    const Safetensors::Entry* entry = nullptr;
  };

  // `full_name` makes a parameter's name of that of a tensor.
  template <class F>
  Files(const std::vector<std::string>& paths, F full_name) {
    for (const std::string& path : paths) files_.emplace_back(path);
    for (const Safetensors& file : files_)
      for (const auto& [name, entry] : file.entries())
        if (!index_.try_emplace(full_name(name), Found{&file, &entry}).second)
          fail(Code::CorruptFile, file.path(), ": tensor ", name, " occurs twice in the checkpoint");
  }

  const std::map<std::string, Found>& index() const { return index_; }

  // The tensor of a parameter; throws CorruptFile or ShapeMismatch.
  const Found& find(const Param& p, const std::vector<int64_t>& shape) const {
    const auto found = index_.find(p.name);
    if (found == index_.end())
      fail(Code::CorruptFile, files_.front().path(), ": tensor ", p.name, " of shape ", to_string(shape),
           " is missing");
    if (found->second.entry->shape != shape)
      fail(Code::ShapeMismatch, found->second.file->path(), ": tensor ", p.name, " has shape ",
           to_string(found->second.entry->shape), ", but the configuration says ", to_string(shape));
    return found->second;
  }

  void read(const Param& p, float* to) const {
    const Found& found = index_.at(p.name);
    found.file->read_f32(*found.entry, p.name, to);
  }

 private:
  std::deque<Safetensors> files_;
  std::map<std::string, Found> index_;
};

// With the "model." prefix, which WhisperModel checkpoints lack.
std::string full_name(const std::string& name) {
  const bool bare = name.starts_with("encoder.") || name.starts_with("decoder.");
  return bare ? "model." + name : name;
}

// PEFT puts this before the names of the model that it wraps.
constexpr const char* peft_prefix = "base_model.model.";

std::string name_in_adapter(const std::string& name) {
  return full_name(name.starts_with(peft_prefix) ? name.substr(std::strlen(peft_prefix)) : name);
}

// The tied projection, where a file has it all the same, must be the embedding.
void check_projection(const Files::Found& projection, const Files::Found& embedding) {
  const auto &p = *projection.entry, &e = *embedding.entry;
  if (p.dtype == e.dtype && p.bytes == e.bytes && std::memcmp(p.data, e.data, p.bytes) == 0) return;
  fail(Code::CorruptFile, projection.file->path(),
       ": proj_out.weight differs from model.decoder.embed_tokens.weight; only models whose projection is tied are "
       "supported");
}

// Rows behind the first `rows` of an embedding [.., width]. The noise about the mean, a hundredth of the deviation from
// it, tells tokens apart that begin there.
void add_rows(float* table, int64_t rows, int64_t width, const NewTokens& tokens) {
  std::vector<float> mean(static_cast<size_t>(width)), deviation(mean.size());
  for (int64_t i = 0; i < width; ++i) {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const double x = table[r * width + i];
      sum += x, squares += x * x;
    }
    const double average = sum / static_cast<double>(rows);
    mean[i] = static_cast<float>(average);
    deviation[i] =
        static_cast<float>(std::sqrt(std::max(0.0, squares / static_cast<double>(rows) - average * average)));
  }
  const Philox random(tokens.seed);
  for (size_t t = 0; t < tokens.like.size(); ++t) {
    float* const row = table + (rows + static_cast<int64_t>(t)) * width;
    const int64_t like = tokens.like[t];
    if (like >= rows)
      fail(Code::InvalidArgument, "load: a new token like token ", like, ", which is outside the vocabulary of ", rows);
    if (like >= 0) {
      std::copy_n(table + like * width, width, row);
      continue;
    }
    const uint64_t stream = stream_of("new tokens") + t;
    for (int64_t i = 0; i < width; ++i)
      row[i] = mean[i] + 0.01f * deviation[i] * random.normal(static_cast<uint64_t>(i), stream);
  }
}

// Where the weights of a model come from: its embedding has rows that the files do not have.
class Weights {
 public:
  Weights(const std::vector<std::string>& paths, const Param& embedding, const NewTokens& tokens)
      : files_(paths, full_name), embedding_(embedding), tokens_(tokens) {}

  void check(const Param& p) const { files_.find(p, shape_of(p)); }
  // As in the checkpoint, f32.
  void read(const Param& p, std::vector<float>& to) const {
    check(p);
    to.resize(static_cast<size_t>(p.shape.size()));
    files_.read(p, to.data());
    if (&p == &embedding_) add_rows(to.data(), p.shape[0] - added(), p.shape[1], tokens_);
  }
  const std::map<std::string, Files::Found>& index() const { return files_.index(); }

 private:
  int64_t added() const { return static_cast<int64_t>(tokens_.like.size()); }
  std::vector<int64_t> shape_of(const Param& p) const {
    std::vector<int64_t> shape = p.file_shape();
    if (&p == &embedding_) shape[0] -= added();
    return shape;
  }

  const Files files_;
  const Param& embedding_;
  const NewTokens& tokens_;
};

}  // namespace

void Whisper::load(const std::vector<std::string>& paths, const NewTokens& tokens) {
  if (paths.empty()) fail(Code::InvalidArgument, "no checkpoint files given");
  if (tokens.like.size() >= static_cast<size_t>(dims.vocab))
    fail(Code::InvalidArgument, "load: ", tokens.like.size(), " new tokens in a vocabulary of ", dims.vocab);
  const Param& embedding = decoder_.embedding();
  const Weights weights(paths, embedding, tokens);
  std::set<std::string> known;
  for (const Param& p : params_.list()) {
    if (p.role == Role::adapter) continue;
    weights.check(p);
    known.insert(p.name);
  }
  for (const auto& [name, found] : weights.index()) {
    if (name == "proj_out.weight")
      check_projection(found, weights.index().at(embedding.name));
    else if (!known.contains(name))
      fail(Code::CorruptFile, found.file->path(), ": tensor ", name,
           " does not belong to a model of this configuration");
  }

  std::vector<float> host;
  for (const Param& p : params_.list()) {
    if (p.role == Role::adapter) continue;
    weights.read(p, host);
    from_file_layout(*backend_, p, p.exact(), host.data());
  }
  params_.refresh(*backend_);
  backend_->synchronize();
}

void Whisper::save(const std::string& path, const std::map<std::string, std::string>& metadata,
                   const std::vector<std::string>& exact) {
  const NewTokens none;
  std::optional<Weights> files;
  if (!exact.empty()) files.emplace(exact, decoder_.embedding(), none);
  const auto adapter_of = [&](const Param& p) {
    const auto& list = params_.adapters();
    return std::find_if(list.begin(), list.end(), [&](const Adapter& a) { return &a.weight == &p; });
  };
  std::vector<std::vector<float>> host;
  std::vector<NamedTensor> tensors;
  for (const Param& p : params_.list()) {
    if (p.role == Role::adapter) continue;
    auto& data = host.emplace_back();
    const bool from_file = files && !p.master;
    if (from_file)
      files->read(p, data);
    else
      data = to_file_layout(*backend_, p, p.exact());
    const auto adapter = adapter_of(p);
    if (adapter != params_.adapters().end() && (from_file || !adapter->merged)) data = merged(*adapter, data.data());
    tensors.push_back({p.name, "F32", p.file_shape(), data.data(), data.size() * sizeof(float)});
  }
  save_safetensors(path, tensors, metadata);
}

void Whisper::load_adapters(const std::string& path) {
  const Files files({path}, name_in_adapter);
  std::set<std::string> known;
  for (const Adapter& adapter : params_.adapters())
    for (const Param* p : {&adapter.a, &adapter.b}) {
      files.find(*p, p->file_shape());
      known.insert(p->name);
    }
  for (const auto& [name, found] : files.index())
    if (!known.contains(name)) fail(Code::CorruptFile, path, ": tensor ", name, " belongs to no adapter of this model");
  std::vector<float> host;
  for (const Adapter& adapter : params_.adapters())
    for (const Param* p : {&adapter.a, &adapter.b}) {
      host.resize(static_cast<size_t>(p->shape.size()));
      files.read(*p, host.data());
      from_file_layout(*backend_, *p, p->master, host.data());
    }
  params_.refresh(*backend_);
  backend_->synchronize();
}

void Whisper::save_adapters(const std::string& path) {
  std::vector<std::vector<float>> host;
  std::vector<NamedTensor> tensors;
  for (const Adapter& adapter : params_.adapters())
    for (const Param* p : {&adapter.a, &adapter.b}) {
      const auto& data = host.emplace_back(to_file_layout(*backend_, *p, p->master));
      tensors.push_back({peft_prefix + p->name, "F32", p->file_shape(), data.data(), data.size() * sizeof(float)});
    }
  save_safetensors(path, tensors, {{"format", "pt"}});
}

}  // namespace whisper
