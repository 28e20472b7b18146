// The program of the conformance tests.
//
//   conformance FILE --write                  writes into FILE what the emulator gets, then checks what was written
//   conformance FILE [--device=N] [NAME...]   checks what GPU N gets, or the emulator, against FILE: all or those named
//
// FILE has, for each case, its name, its words and how far each may be off (conformance.h), each with its count before
// it, all in 32 bits of the machine's order of bytes.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <map>
#include <string>

#include "conformance.h"

namespace whisper::conformance {
namespace {

template <class T>
void write(std::ostream& file, const std::vector<T>& values) {
  const auto count = static_cast<uint32_t>(values.size());
  file.write(reinterpret_cast<const char*>(&count), sizeof count);
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * sizeof(T)));
}

// False at the end of the file, or where it is cut off.
template <class T>
bool read(std::istream& file, std::vector<T>& values) {
  uint32_t count = 0;
  if (!file.read(reinterpret_cast<char*>(&count), sizeof count) || count > 1u << 24) return false;
  values.resize(count);
  return static_cast<bool>(
      file.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(count * sizeof(T))));
}

void write_expectations(const std::string& path, gpu::Device& device) {
  if (!device.properties().emulated)
    fail(Code::InvalidArgument, "expectations are what the emulator gets, and this is ", device.properties().name);
  std::ofstream file(path, std::ios::binary);
  for (const Case& c : cases()) {
    const std::string name = c.name;
    const Result result = c.run(device);
    write(file, std::vector<char>(name.begin(), name.end()));
    write(file, result.words);
    write(file, result.allowed);
  }
  if (!file.flush()) fail(Code::File, path, " cannot be written");
}

std::map<std::string, Result> read_expectations(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(Code::File, path, " cannot be read");
  std::map<std::string, Result> expectations;
  while (file.peek() != std::ifstream::traits_type::eof()) {
    std::vector<char> name;
    Result result;
    const bool whole = read(file, name) && read(file, result.words) && read(file, result.allowed);
    if (!whole || (!result.allowed.empty() && result.allowed.size() != result.words.size()))
      fail(Code::CorruptFile, path, " is not a file of expectations, or is cut off");
    expectations.emplace(std::string(name.begin(), name.end()), std::move(result));
  }
  return expectations;
}

// What is different, and nothing where all is as expected.
std::string difference(const Result& expected, const std::vector<uint32_t>& words) {
  if (words.size() != expected.words.size())
    return std::to_string(words.size()) + " words, expected " + std::to_string(expected.words.size());
  size_t different = 0;
  std::string first;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == expected.words[i]) continue;
    char text[160];
    if (expected.allowed.empty()) {
      std::snprintf(text, sizeof text, "word %zu is %08x, expected %08x", i, words[i], expected.words[i]);
    } else {
      const auto x = std::bit_cast<float>(words[i]), y = std::bit_cast<float>(expected.words[i]);
      if ((std::isnan(x) && std::isnan(y)) || std::abs(x - y) <= expected.allowed[i]) continue;
      std::snprintf(text, sizeof text, "number %zu is %.9g, expected %.9g, at most %.3g away", i, x, y,
                    expected.allowed[i]);
    }
    if (different++ == 0) first = text;
  }
  if (different == 0) return "";
  return std::to_string(different) + " of " + std::to_string(words.size()) + " differ: " + first;
}

int check(const std::string& path, gpu::Device& device, const std::vector<std::string>& names) {
  const std::map<std::string, Result> expectations = read_expectations(path);
  const auto chosen = [&](const std::string& name) {
    return names.empty() || std::find(names.begin(), names.end(), name) != names.end();
  };
  int passed = 0, failed = 0;
  for (const Case& c : cases()) {
    if (!chosen(c.name)) continue;
    if (c.hopper && device.properties().capability != 90) {
      std::printf("skipped %s: %s is no Hopper\n", c.name, device.properties().name.c_str());
      continue;
    }
    std::printf("%s\n", c.name);
    std::fflush(stdout);  // should the device hang in it
    std::string wrong = "not in " + path;
    if (const auto expected = expectations.find(c.name); expected != expectations.end()) {
      try {
        wrong = difference(expected->second, c.run(device).words);
      } catch (const std::exception& error) {
        wrong = error.what();
      }
    }
    ++(wrong.empty() ? passed : failed);
    if (!wrong.empty()) std::printf("FAILED %s: %s\n", c.name, wrong.c_str());
  }
  for (const auto& [name, expected] : expectations)
    if (chosen(name) && std::none_of(cases().begin(), cases().end(), [&](const Case& c) { return c.name == name; }))
      std::printf("skipped %s: not compiled into this program\n", name.c_str());
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 || passed == 0;
}

}  // namespace
}  // namespace whisper::conformance

int main(int count, char** arguments) {
  using namespace whisper::conformance;
  bool writes = false;
  int index = 0;
  std::vector<std::string> names;
  for (int i = 2; i < count; ++i) {
    const std::string argument = arguments[i];
    if (argument == "--write")
      writes = true;
    else if (argument.rfind("--device=", 0) == 0)
      index = std::atoi(argument.c_str() + 9);
    else
      names.push_back(argument);
  }
  if (count < 2) {
    std::fprintf(stderr, "usage: %s FILE [--write] [--device=N] [NAME...]\n", arguments[0]);
    return 2;
  }
  try {
    whisper::gpu::Device device(index);
    if (writes) write_expectations(arguments[1], device);
    return check(arguments[1], device, names);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
