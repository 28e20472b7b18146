// A strict reader for JSON whose structure the caller knows (RFC 8259): it asks for what must come next and gets it or
// an error. It builds no tree and follows no nesting that the caller does not, so hostile input cannot exhaust the
// stack.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace whisper {

class JsonReader {
 public:
  // `what` begins the messages: "model.safetensors: header". Throws CorruptFile, also when the text is not UTF-8.
  JsonReader(std::string_view text, std::string what);

  // { "key": value, … }: member(key) reads the value. A key that comes twice is an error.
  void object(const std::function<void(const std::string& key)>& member);
  // [ element, … ]: element() reads one.
  void array(const std::function<void()>& element);
  std::string string();
  int64_t integer();  // 0 or more, without sign, fraction or exponent
  void end();         // only white space is left

  [[noreturn]] void error(const std::string& message) const;  // names the place

 private:
  void skip_space();
  bool take(char c);  // skips white space; consumes c when it is next
  void expect(char c);
  uint32_t code_unit();  // the four digits of \uXXXX

  std::string_view text_;
  std::string what_;
  size_t at_ = 0;
};

// The text in quotes, escaped for JSON.
std::string json_string(std::string_view text);

}  // namespace whisper
