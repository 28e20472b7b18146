// Safetensors: what is written is read, and no header, however damaged, is believed.
#include "core/safetensors.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "core/half.h"
#include "folder.h"
#include "test.h"

using namespace whisper;
using test::Folder;

namespace {

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string with_header(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string saved(const std::string& path) {
  const float a[] = {1, -2, 3.5f, 0, 1e-30f, -0.0f};
  const float b[] = {42};
  save_safetensors(path,
                   {{"a.weight", "F32", {2, 3}, a, sizeof a},
                    {"b \"quoted\" \xC3\xA9", "F32", {1}, b, sizeof b},
                    {"empty", "F32", {0, 4}, nullptr, 0}},
                   {{"format", "pt"}, {"line\n", "tab\t"}});
  return read(path);
}

// Opens the file and reads everything it claims to hold.
void read_everything(const std::string& path) {
  const Safetensors file(path);
  for (const auto& [name, entry] : file.entries()) {
    size_t elements = 1;
    for (int64_t dim : entry.shape) elements *= static_cast<size_t>(dim);
    std::vector<float> values(elements);
    if (entry.dtype == "F32" || entry.dtype == "F16" || entry.dtype == "BF16")
      file.read_f32(entry, name, values.data());
  }
}

}  // namespace

TEST(safetensors_round_trip) {
  const Folder folder;
  saved(folder.file("m"));
  const Safetensors file(folder.file("m"));
  CHECK(file.entries().size() == 3);
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"line\n", "tab\t"}});
  const auto* a = file.find("a.weight");
  CHECK(a && a->shape == std::vector<int64_t>{2, 3} && a->dtype == "F32");
  float values[6];
  file.read_f32(*a, "a.weight", values);
  CHECK(values[0] == 1 && values[2] == 3.5f && values[4] == 1e-30f && std::signbit(values[5]));
  CHECK(reinterpret_cast<uintptr_t>(a->data) % 8 == 0);
  CHECK(file.find("b \"quoted\" \xC3\xA9") != nullptr);
  CHECK(file.find("empty")->bytes == 0);
  CHECK(file.find("c") == nullptr);
  CHECK(!std::filesystem::exists(folder.file("m.partial")));
}

TEST(safetensors_moves) {
  const Folder folder;
  saved(folder.file("m"));
  std::vector<Safetensors> files;
  for (int i = 0; i < 3; ++i) files.emplace_back(folder.file("m"));
  float value;
  files[0].read_f32(*files[0].find("b \"quoted\" \xC3\xA9"), "b", &value);
  CHECK(value == 42);
}

TEST(safetensors_widens_halves) {
  CHECK(from_f16(0x3C00) == 1 && from_f16(0xC000) == -2 && from_f16(0x7BFF) == 65504 &&
        from_f16(0x3555) == 0x1.554p-2f);
  CHECK(from_f16(0x0001) == 0x1p-24f && from_f16(0x83FF) == -0x1.ff8p-15f && from_f16(0x0400) == 0x1p-14f);
  CHECK(std::signbit(from_f16(0x8000)) && std::isinf(from_f16(0x7C00)) && from_f16(0xFC00) < 0 &&
        std::isnan(from_f16(0x7E00)));
  CHECK(from_bf16(0x3F80) == 1 && from_bf16(0xC040) == -3 && from_bf16(0x0001) == 0x1p-133f &&
        std::isnan(from_bf16(0x7FC0)));

  const Folder folder;
  const uint16_t f16[] = {0x3C00, 0x0001, 0xFC00}, bf16[] = {0x3F80, 0xC040};
  const int64_t other[] = {7};
  save_safetensors(folder.file("m"),
                   {{"x", "I64", {1}, other, 8}, {"h", "F16", {3}, f16, 6}, {"b", "BF16", {2}, bf16, 4}}, {});
  const Safetensors file(folder.file("m"));
  float h[3], b[2];
  file.read_f32(*file.find("h"), "h", h);
  file.read_f32(*file.find("b"), "b", b);
  CHECK(h[0] == 1 && h[1] == 0x1p-24f && std::isinf(h[2]) && b[0] == 1 && b[1] == -3);
  CHECK_THROWS(CorruptFile, "'x': expected F32, F16 or BF16, got I64", file.read_f32(*file.find("x"), "x", h));
}

TEST(safetensors_names_what_is_wrong) {
  const Folder folder;
  const std::string path = folder.file("m");
  const auto opened = [&](const std::string& bytes) {
    write(path, bytes);
    Safetensors{path};
  };
  const auto one = [&](const std::string& tensor, size_t data = 4) {
    opened(with_header("{\"w\":" + tensor + "}", std::string(data, '\0')));
  };
  CHECK_THROWS(File, "No such file", Safetensors{folder.file("absent")});
  CHECK_THROWS(File, "not a file", Safetensors{folder.path.string()});
  CHECK_THROWS(CorruptFile, path + ": 0 bytes are too few", opened(""));
  CHECK_THROWS(CorruptFile, "in a file of 12", opened(std::string("\x40\0\0\0\0\0\0\0{}  ", 12)));
  CHECK_THROWS(CorruptFile, "at most 100000000", opened(std::string(16, '\x7f')));
  CHECK_THROWS(CorruptFile, "expected '{'", opened(with_header("[1]", "")));
  CHECK_THROWS(CorruptFile, "more text", opened(with_header("{} {}", "")));
  CHECK_THROWS(CorruptFile, "UTF-8", opened(with_header("{\"\xC0\xAF\":1}", "")));
  CHECK_THROWS(CorruptFile, "'w' comes twice",
               opened(with_header(R"({"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"w":{}})", "abcd")));
  CHECK_THROWS(CorruptFile, "4 bytes of data, the tensors end at 0", opened(with_header("{}", "abcd")));
  CHECK_THROWS(CorruptFile, "'w' lacks", one(R"({"dtype":"F32","shape":[1]})"));
  CHECK_THROWS(CorruptFile, "unknown key 'x'", one(R"({"x":1})"));
  CHECK_THROWS(CorruptFile, "unknown dtype 'F31'", one(R"({"dtype":"F31","shape":[1],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "do not lie in the 4 bytes", one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})"));
  CHECK_THROWS(CorruptFile, "do not lie in", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,0]})"));
  CHECK_THROWS(CorruptFile, "begins at byte 4", one(R"({"dtype":"F32","shape":[1],"data_offsets":[4,8]})", 8));
  CHECK_THROWS(CorruptFile, "needs 8 bytes, data_offsets give 4",
               one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "64 bits", one(R"({"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "beyond 64 bits",
               one(R"({"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "at least 0", one(R"({"dtype":"F32","shape":[-1],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "at least 0", one(R"({"dtype":"F32","shape":[01],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "an integer", one(R"({"dtype":"F32","shape":[1.0],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "surrogate", one(R"({"dtype":"\ud800","shape":[1],"data_offsets":[0,4]})"));
  CHECK_THROWS(CorruptFile, "at least 0", opened(with_header(R"({"w":{"shape":)" + std::string(100000, '['), "")));
  opened(with_header(R"({ "\u0077\ud83d\ude00" : {"dtype":"F32","shape":[],"data_offsets":[0,4]} }  )", "abcd"));
  CHECK(Safetensors(path).find("w\xF0\x9F\x98\x80") != nullptr);
}

// Damaged files are refused with an Error, or read without touching memory that is not theirs (the sanitizers watch).
TEST(safetensors_survives_1000_damaged_headers) {
  const Folder folder;
  const std::string good = saved(folder.file("good")), path = folder.file("bad");
  uint64_t header = 0;
  std::memcpy(&header, good.data(), 8);
  std::mt19937 random(1);
  const auto below = [&](size_t n) { return random() % n; };
  static constexpr char likely[] = "{}[]\",:0123456789\\u\x80\xff";
  int refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string bytes = good;
    for (size_t edits = 1 + below(3); edits > 0; --edits) {
      const size_t at = below(std::min<size_t>(8 + header, bytes.size()));
      switch (below(4)) {
        case 0:
          bytes[at] = likely[below(sizeof likely - 1)];
          break;
        case 1:
          bytes[at] = static_cast<char>(random());
          break;
        case 2:
          bytes.erase(at, 1 + below(9));
          break;
        default:
          bytes.resize(at + 1);
      }
    }
    write(path, bytes);
    try {
      read_everything(path);
    } catch (const Error& e) {
      CHECK(e.code == Code::CorruptFile);
      ++refused;
    }
  }
  CHECK(refused > 900);
}

TEST(save_safetensors_keeps_the_old_file_when_it_cannot_write) {
  const Folder folder;
  const float value = 1;
  const std::vector<NamedTensor> tensors{{"w", "F32", {1}, &value, 4}};
  CHECK_THROWS(File, "cannot create", save_safetensors(folder.file("no/such/folder"), tensors, {}));
  CHECK_THROWS(InvalidArgument, "needs 4 bytes",
               save_safetensors(folder.file("m"), {{"w", "F32", {1}, &value, 3}}, {}));
  // A rename onto a folder fails; the partial file goes.
  std::filesystem::create_directory(folder.file("taken"));
  CHECK_THROWS(File, "cannot rename", save_safetensors(folder.file("taken"), tensors, {}));
  CHECK(!std::filesystem::exists(folder.file("taken.partial")));
  // A full disk, where there is one to be had.
  if (std::filesystem::exists("/dev/full")) {
    const std::string before = saved(folder.file("full"));
    std::filesystem::create_symlink("/dev/full", folder.file("full.partial"));
    CHECK_THROWS(File, "No space left", save_safetensors(folder.file("full"), tensors, {}));
    CHECK(read(folder.file("full")) == before);
    CHECK(!std::filesystem::is_symlink(folder.file("full.partial")));
  }
}
