// Files of named tensors: mapping and checking, writing. POSIX only (Linux, macOS): Windows is no target of this
// project yet, and this file is where its mapping and syncing would go.
#include "core/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/half.h"
#include "core/json.h"

namespace whisper {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little-endian, and so are the copies below");

// What the reference implementation (safetensors/src/tensor.rs: MAX_HEADER_SIZE) allows.
constexpr uint64_t longest_header = 100'000'000;

// Bytes of an element, 0 for a dtype that is none.
size_t bytes_of(std::string_view dtype) {
  static constexpr std::pair<std::string_view, size_t> sizes[] = {
      {"F32", 4}, {"F16", 2},  {"BF16", 2}, {"F64", 8}, {"I64", 8}, {"I32", 4},     {"I16", 2},     {"I8", 1},
      {"U8", 1},  {"BOOL", 1}, {"U16", 2},  {"U32", 4}, {"U64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"C64", 8},
  };
  for (const auto& [name, bytes] : sizes)
    if (name == dtype) return bytes;
  return 0;
}

std::string reason() { return std::strerror(errno); }

// A descriptor that is closed at the end of its scope.
struct File {
  int fd;
  explicit File(int fd) : fd(fd) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (fd >= 0) ::close(fd);
  }
};

struct Span {
  int64_t begin = -1, end = -1;
  std::string name;
};

// The value of one tensor's key: {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
Span read_tensor(JsonReader& json, const std::string& name, Safetensors::Entry& entry) {
  Span span{-1, -1, name};
  bool shaped = false;
  json.object([&](const std::string& key) {
    if (key == "dtype") {
      entry.dtype = json.string();
    } else if (key == "shape") {
      shaped = true;
      json.array([&] { entry.shape.push_back(json.integer()); });
    } else if (key == "data_offsets") {
      std::vector<int64_t> offsets;
      json.array([&] { offsets.push_back(json.integer()); });
      if (offsets.size() != 2) json.error("tensor '" + name + "': data_offsets needs two numbers");
      span.begin = offsets[0], span.end = offsets[1];
    } else {
      json.error("tensor '" + name + "': unknown key '" + key + "'");
    }
  });
  if (entry.dtype.empty() || !shaped || span.begin < 0)
    json.error("tensor '" + name + "' lacks dtype, shape or data_offsets");
  return span;
}

// Offsets inside the file that follow each other, and sizes that are those of shape and dtype.
void check_spans(const std::string& path, std::map<std::string, Safetensors::Entry>& entries, std::vector<Span>& spans,
                 const std::byte* data, int64_t size) {
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  int64_t at = 0;
  for (const Span& span : spans) {
    Safetensors::Entry& entry = entries.at(span.name);
    const auto wrong = [&](const auto&... parts) {
      fail(Code::CorruptFile, path, ": tensor '", span.name, "': ", parts...);
    };
    if (span.end < span.begin || span.end > size)
      wrong("bytes ", span.begin, " to ", span.end, " do not lie in the ", size, " bytes of data");
    if (span.begin != at) wrong("begins at byte ", span.begin, ", the tensor before it ends at ", at);
    at = span.end;
    const size_t width = bytes_of(entry.dtype);
    if (width == 0) wrong("unknown dtype '", entry.dtype, "'");
    int64_t bytes = static_cast<int64_t>(width);
    for (const int64_t dim : entry.shape)
      if (__builtin_mul_overflow(bytes, dim, &bytes)) wrong("its shape has more elements than 64 bits can count");
    if (bytes != span.end - span.begin)
      wrong("its shape needs ", bytes, " bytes, data_offsets give ", span.end - span.begin);
    entry.data = data + span.begin;
    entry.bytes = static_cast<size_t>(bytes);
  }
  if (at != size) fail(Code::CorruptFile, path, ": ", size, " bytes of data, the tensors end at ", at);
}

void write_all(int fd, const void* data, size_t bytes, const std::string& path) {
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t n = ::write(fd, from, std::min<size_t>(bytes, size_t{1} << 30));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(Code::File, "cannot write ", path, ": ", reason());
    from += n, bytes -= static_cast<size_t>(n);
  }
}

std::string header_of(const std::vector<NamedTensor>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string json = "{";
  const auto separate = [&] { json += json.size() > 1 ? "," : ""; };
  if (!metadata.empty()) {
    json += "\"__metadata__\":{";
    bool first = true;
    for (const auto& [key, value] : metadata) {
      json += (first ? "" : ",") + json_string(key) + ":" + json_string(value);
      first = false;
    }
    json += "}";
  }
  size_t offset = 0;
  for (const NamedTensor& t : tensors) {
    separate();
    json += json_string(t.name) + ":{\"dtype\":" + json_string(t.dtype) + ",\"shape\":[";
    size_t bytes = bytes_of(t.dtype);
    for (size_t i = 0; i < t.shape.size(); ++i) {
      json += (i ? "," : "") + std::to_string(t.shape[i]);
      bytes *= static_cast<size_t>(t.shape[i]);
    }
    if (bytes != t.bytes)
      fail(Code::InvalidArgument, "tensor '", t.name, "': its shape needs ", bytes, " bytes, it has ", t.bytes);
    json += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(offset + bytes) + "]}";
    offset += bytes;
  }
  json += "}";
  json.resize((json.size() + 7) / 8 * 8, ' ');  // so that the tensors are aligned for whoever maps the file
  return json;
}

void write_synced(const std::string& path, const std::vector<NamedTensor>& tensors, const std::string& header) {
  const File file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (file.fd < 0) fail(Code::File, "cannot create ", path, ": ", reason());
  const uint64_t length = header.size();
  write_all(file.fd, &length, sizeof length, path);
  write_all(file.fd, header.data(), header.size(), path);
  for (const NamedTensor& t : tensors) write_all(file.fd, t.fetch ? t.fetch() : t.data, t.bytes, path);
  if (::fsync(file.fd) != 0) fail(Code::File, "cannot write ", path, ": ", reason());
}

// Makes the rename itself last. Some file systems do not offer this; then nothing is lost but the promise.
void sync_folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  const File folder(::open(slash == path.npos ? "." : path.substr(0, slash + 1).c_str(), O_RDONLY | O_CLOEXEC));
  if (folder.fd >= 0) ::fsync(folder.fd);
}

}  // namespace

Safetensors::Safetensors(const std::string& path) : path_(path) {
  const File file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.fd < 0) fail(Code::File, "cannot open ", path, ": ", reason());
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) fail(Code::File, "cannot read ", path, ": ", reason());
  if (!S_ISREG(status.st_mode)) fail(Code::File, "cannot read ", path, ": it is not a file");
  const auto size = static_cast<uint64_t>(status.st_size);
  if (size < 10) fail(Code::CorruptFile, path, ": ", size, " bytes are too few for a safetensors file");
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (map == MAP_FAILED) fail(Code::File, "cannot map ", path, ": ", reason());
  Safetensors mapped;  // unmaps if one of the checks throws
  mapped.map_ = map, mapped.size_ = size;

  const auto* bytes = static_cast<const std::byte*>(map);
  uint64_t length = 0;
  std::memcpy(&length, bytes, sizeof length);
  if (length > longest_header)
    fail(Code::CorruptFile, path, ": a header of ", length, " bytes; at most ", longest_header, " are allowed");
  if (length > size - 8) fail(Code::CorruptFile, path, ": a header of ", length, " bytes in a file of ", size);

  std::vector<Span> spans;
  JsonReader json({reinterpret_cast<const char*>(bytes) + 8, length}, path + ": header");
  json.object([&](const std::string& name) {
    if (name != "__metadata__") {
      spans.push_back(read_tensor(json, name, entries_[name]));
    } else {
      json.object([&](const std::string& key) { metadata_[key] = json.string(); });
    }
  });
  json.end();
  check_spans(path, entries_, spans, bytes + 8 + length, static_cast<int64_t>(size - 8 - length));
  std::swap(map_, mapped.map_), std::swap(size_, mapped.size_);
}

Safetensors::~Safetensors() {
  if (map_) ::munmap(map_, size_);
}

Safetensors::Safetensors(Safetensors&& other) noexcept { *this = std::move(other); }

Safetensors& Safetensors::operator=(Safetensors&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(entries_, other.entries_);
  std::swap(metadata_, other.metadata_);
  std::swap(map_, other.map_);
  std::swap(size_, other.size_);
  return *this;
}

const Safetensors::Entry* Safetensors::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

void Safetensors::read_f32(const Entry& entry, const std::string& name, float* to) const {
  if (entry.dtype == "F32") {
    if (entry.bytes) std::memcpy(to, entry.data, entry.bytes);
    return;
  }
  const auto widen = [&](auto from) {
    for (size_t i = 0; i < entry.bytes / 2; ++i) {
      uint16_t bits;
      std::memcpy(&bits, entry.data + 2 * i, 2);
      to[i] = from(bits);
    }
  };
  if (entry.dtype == "F16") return widen(from_f16);
  if (entry.dtype == "BF16") return widen(from_bf16);
  fail(Code::CorruptFile, path_, ": tensor '", name, "': expected F32, F16 or BF16, got ", entry.dtype);
}

void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const std::map<std::string, std::string>& metadata) {
  const std::string header = header_of(tensors, metadata), partial = path + ".partial";
  try {
    write_synced(partial, tensors, header);
    if (::rename(partial.c_str(), path.c_str()) != 0)
      fail(Code::File, "cannot rename ", partial, " to ", path, ": ", reason());
  } catch (...) {
    ::unlink(partial.c_str());
    throw;
  }
  sync_folder_of(path);
}

}  // namespace whisper
