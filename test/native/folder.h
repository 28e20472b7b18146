// A folder for the files of a test.
#pragma once
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace whisper::test {

// Goes with its scope.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "whisper-tune-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return path / name; }
};

}  // namespace whisper::test
