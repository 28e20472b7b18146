// Writing and reading of an optimizer's file.
#include "optim/optimizer_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <locale>
#include <set>
#include <sstream>

#include "core/dynamic_map.h"
#include "core/error.h"

namespace whisper {
namespace {

using Sizes = std::vector<int64_t>;

constexpr int64_t block = 256, old_block = 2048;

int64_t blocks(int64_t elements, int64_t size) { return (elements + size - 1) / size; }

std::string name_of(const StateTensor& s) { return s.kind + "." + s.param->name; }
std::string absmax_name(const StateTensor& s) { return (s.is_signed ? "absmax1." : "absmax2.") + s.param->name; }
const char* map_name(bool is_signed) { return is_signed ? "qmap1" : "qmap2"; }
const auto& map_of(bool is_signed) { return is_signed ? signed_dynamic_map : unsigned_dynamic_map; }

Sizes sizes(const Shape& shape) { return {shape.dims.begin(), shape.dims.begin() + shape.rank}; }

// Numbers of the parameter's shape: they go where the parameter's go.
bool like_param(const StateTensor& s) { return !s.absmax && s.tensor.shape == s.param->shape; }

Sizes file_shape(const StateTensor& s) {
  const Param& p = *s.param;
  if (s.absmax && p.layout == Layout::taps) return {p.shape[0], 3, p.shape[1] / 3};
  if (s.absmax && p.layout == Layout::transposed) return sizes(p.shape);
  return s.absmax || like_param(s) ? p.file_shape() : sizes(s.tensor.shape);
}

std::string text(const Sizes& shape) {
  std::string list;
  for (int64_t size : shape) list += (list.empty() ? "" : ", ") + std::to_string(size);
  return "[" + list + "]";
}

// How to run so that the file fits.
std::string remedy(const std::string& key, const std::string& value) {
  if (key == "optimizer") return "with --optim " + value;
  if (key == "eight_bit_embeddings")
    return std::string(value == "true" ? "with" : "without") + " --optim_8bit_embeddings";
  if (key == "trained" && value.ends_with("positions")) return "with --train_encoder_positions";
  if (key == "trained")
    return value == "all"       ? "without frozen parts"
           : value == "decoder" ? "with --freeze_encoder"
                                : "with --freeze_decoder";
  return "with --" + key + " " + value;
}

}  // namespace

void write_optimizer_file(const std::string& path, Backend& backend, const std::vector<StateTensor>& state,
                          const Metadata& metadata) {
  std::vector<std::byte> host;  // of the tensor that is being written
  const auto download = [&](const Tensor& from, size_t bytes) -> const void* {
    host.resize(bytes);
    backend.synchronize();
    backend.download(host.data(), from.address, bytes);
    return host.data();
  };
  std::vector<float> moved;  // the same, of one that lies otherwise in the file

  std::vector<NamedTensor> tensors;
  const auto add = [&](const std::string& name, DType dtype, const Sizes& shape,
                       std::function<const void*(size_t)> fetch) {
    size_t bytes = size_of(dtype);
    for (int64_t size : shape) bytes *= static_cast<size_t>(size);
    tensors.push_back({name, whisper::name_of(dtype), shape, nullptr, bytes,
                       [bytes, fetch = std::move(fetch)] { return fetch(bytes); }});
  };
  for (const StateTensor& s : state) {
    add(name_of(s), s.tensor.dtype, file_shape(s), [&](size_t bytes) -> const void* {
      if (!like_param(s)) return download(s.tensor, bytes);
      moved = to_file_layout(backend, *s.param, s.tensor);
      return moved.data();
    });
    if (s.absmax)
      add(absmax_name(s), DType::F32, sizes(s.absmax.shape), [&](size_t bytes) { return download(s.absmax, bytes); });
  }
  for (const bool is_signed : {true, false}) {
    const bool used = std::any_of(state.begin(), state.end(),
                                  [&](const StateTensor& s) { return s.absmax && s.is_signed == is_signed; });
    if (used) add(map_name(is_signed), DType::F32, {256}, [&, is_signed](size_t) { return map_of(is_signed).data(); });
  }
  save_safetensors(path, tensors, metadata);
}

// --- Reading: the metadata ------------------------------------------------------------------------------------------

const std::string& OptimizerFile::metadata(const std::string& key) const {
  const auto found = file_.metadata().find(key);
  if (found == file_.metadata().end())
    fail(Code::CorruptFile, file_.path(), ": the metadata have no '", key, "'; is it an optimizer's file?");
  return found->second;
}

void OptimizerFile::check_run(const RunTraits& run) const {
  for (const auto& [key, now] : run) {
    const std::string& was = metadata(key);
    if (was != now)
      fail(Code::InvalidArgument, file_.path(), ": ", key, " was ", was, " and is ", now, " now: resume ",
           remedy(key, was),
           ", or start a new run from the checkpoint's weights with --model_name_or_path and another --output_dir");
  }
}

int64_t OptimizerFile::count(const char* key, int64_t most) const {
  const std::string& text = metadata(key);
  const bool digits = !text.empty() && text.size() <= 18 && text.find_first_not_of("0123456789") == text.npos;
  if (!digits || std::stoll(text) > most)
    fail(Code::CorruptFile, file_.path(), ": metadata '", key, "': expected a whole number up to ", most, ", got '",
         text, "'");
  return std::stoll(text);
}

float OptimizerFile::number(const char* key) const {
  std::istringstream in(metadata(key));
  in.imbue(std::locale::classic());
  float value = 0;
  if (!(in >> value) || !in.eof() || !(value > 0) || !std::isfinite(value))
    fail(Code::CorruptFile, file_.path(), ": metadata '", key, "': expected a positive number, got '", in.str(), "'");
  return value;
}

// --- Reading: the tensors -------------------------------------------------------------------------------------------

const Safetensors::Entry& OptimizerFile::entry(const std::string& name, const char* dtype) const {
  const Safetensors::Entry* found = file_.find(name);
  if (!found) fail(Code::CorruptFile, file_.path(), ": tensor ", name, " is missing");
  if (found->dtype != dtype)
    fail(Code::CorruptFile, file_.path(), ": tensor ", name, " is ", found->dtype, ", expected ", dtype);
  return *found;
}

const Safetensors::Entry& OptimizerFile::entry(const std::string& name, const char* dtype, const Sizes& shape) const {
  const Safetensors::Entry& found = entry(name, dtype);
  if (found.shape != shape)
    fail(Code::ShapeMismatch, file_.path(), ": tensor ", name, " has shape ", text(found.shape), ", expected ",
         text(shape));
  return found;
}

void OptimizerFile::check(const StateTensor& s) const {
  if (!s.absmax) return void(entry(name_of(s), "F32", file_shape(s)));
  const Safetensors::Entry& codes = entry(name_of(s), "U8");
  if (codes.shape != s.param->file_shape()) entry(name_of(s), "U8", file_shape(s));
  const int64_t n = s.param->shape.size();
  const Safetensors::Entry& absmax = entry(absmax_name(s), "F32");
  if (absmax.shape != Sizes{blocks(n, old_block)}) entry(absmax_name(s), "F32", {blocks(n, block)});
}

void OptimizerFile::read(Backend& backend, const std::vector<StateTensor>& state) const {
  std::set<std::string> known;
  for (const StateTensor& s : state) {
    check(s);
    known.insert(name_of(s));
    if (s.absmax) known.insert({absmax_name(s), map_name(s.is_signed)});
    if (s.absmax) entry(map_name(s.is_signed), "F32", {256});
  }
  for (const auto& [name, unused] : file_.entries())
    if (!known.contains(name))
      fail(Code::CorruptFile, file_.path(), ": tensor ", name, " belongs to no parameter's state");
  for (const StateTensor& s : state) read(backend, s);
  backend.synchronize();
}

void OptimizerFile::read(Backend& backend, const StateTensor& s) const {
  if (s.absmax) return read_codes(backend, s);
  const Safetensors::Entry& from = entry(name_of(s), "F32");
  if (!like_param(s)) return backend.upload(s.tensor.address, from.data, from.bytes);
  std::vector<float> host(static_cast<size_t>(s.tensor.shape.size()));
  file_.read_f32(from, name_of(s), host.data());
  from_file_layout(backend, *s.param, s.tensor, host.data());
}

void OptimizerFile::read_codes(Backend& backend, const StateTensor& s) const {
  const Safetensors::Entry &codes = entry(name_of(s), "U8"), &absmax = entry(absmax_name(s), "F32"),
                           &map = entry(map_name(s.is_signed), "F32");
  const int64_t n = s.param->shape.size(), padded = s.tensor.shape.size();
  const bool same_blocks = absmax.shape[0] == blocks(n, block), same_order = codes.shape == file_shape(s);
  const auto& our_map = map_of(s.is_signed);
  if (same_blocks && same_order && std::memcmp(map.data, our_map.data(), sizeof our_map) == 0) {
    std::vector<uint8_t> host(static_cast<size_t>(padded), static_cast<uint8_t>(code_of_zero(s.is_signed)));
    std::memcpy(host.data(), codes.data, codes.bytes);
    backend.upload(s.tensor.address, host.data(), host.size());
    backend.upload(s.absmax.address, absmax.data, absmax.bytes);
    return;
  }
  const Tensor numbers = backend.zeros({padded}), decoded = numbers.part(0, s.param->shape);
  backend.dequantize(decoded, backend.from_host(codes.data, {n}, DType::U8),
                     backend.from_host(absmax.data, {absmax.shape[0]}), backend.from_host(map.data, {256}),
                     static_cast<int>(same_blocks ? block : old_block));
  if (!same_order) {
    std::vector<float> host(static_cast<size_t>(n));
    backend.synchronize();
    backend.download(host.data(), decoded.address, host.size() * sizeof(float));
    from_file_layout(backend, *s.param, decoded, host.data());
  }
  backend.quantize(s.tensor, s.absmax, numbers, s.is_signed);
}

}  // namespace whisper
