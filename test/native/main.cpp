// Runs the tests of C++ that need no Node: all of them, or those whose names contain the first argument.
#include <cstdio>
#include <cstring>
#include <exception>

#include "test.h"

int main(int count, char** arguments) {
  int passed = 0, failed = 0;
  for (const auto& test : whisper::test::tests()) {
    if (count > 1 && !std::strstr(test.name, arguments[1])) continue;
    try {
      test.run();
      ++passed;
    } catch (const std::exception& e) {
      std::printf("FAILED %s: %s\n", test.name, e.what());
      ++failed;
    }
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed > 0 || passed == 0;
}
