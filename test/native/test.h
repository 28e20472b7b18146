// A test is a function that registers itself; a check that fails ends it with a line that says where.
#pragma once
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/error.h"

namespace whisper::test {

struct Test {
  const char* name;
  void (*run)();
};
inline std::vector<Test>& tests() {
  static std::vector<Test> list;
  return list;
}
struct Register {
  Register(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

struct Failed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void check(bool ok, const char* expression, const char* file, int line) {
  if (ok) return;
  std::ostringstream text;
  text << file << ':' << line << ": " << expression;
  throw Failed(text.str());
}

// The error that f throws must have the code, and its message must contain the text.
inline void check_throws(Code code, const std::string& text, const std::function<void()>& f, const char* file,
                         int line) {
  try {
    f();
  } catch (const Error& e) {
    const bool named = std::string(e.what()).find(text) != std::string::npos;
    if (!named)
      check(false, (std::string("message '") + e.what() + "' should contain '" + text + "'").c_str(), file, line);
    check(e.code == code, (std::string("another code for: ") + e.what()).c_str(), file, line);
    return;
  }
  check(false, "nothing was thrown", file, line);
}

}  // namespace whisper::test

#define TEST(name)                                                        \
  static void name();                                                     \
  static const whisper::test::Register registered_##name{#name, &(name)}; \
  static void name()
#define CHECK(...) whisper::test::check(static_cast<bool>(__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
#define CHECK_THROWS(code, text, ...) \
  whisper::test::check_throws(        \
      whisper::Code::code, text, [&] { __VA_ARGS__; }, __FILE__, __LINE__)
