// A strict reader for JSON whose structure the caller knows.
#include "core/json.h"

#include <limits>
#include <set>

#include "core/error.h"

namespace whisper {
namespace {

// The offset of the first byte that is not part of well-formed UTF-8 (Unicode, table 3-7), or npos.
size_t malformed_utf8(std::string_view text) {
  const auto byte = [&](size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
  for (size_t i = 0; i < text.size();) {
    const unsigned first = byte(i);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const size_t more = first >= 0xC2 && first < 0xE0   ? 1
                        : first >= 0xE0 && first < 0xF0 ? 2
                        : first >= 0xF0 && first < 0xF5 ? 3
                                                        : 0;
    // The second byte's range keeps out overlong forms, surrogates and what lies beyond U+10FFFF.
    const unsigned least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    const unsigned most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    if (more == 0 || byte(i + 1) < least || byte(i + 1) > most) return i;
    for (size_t k = 2; k <= more; ++k)
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    i += more + 1;
  }
  return std::string_view::npos;
}

void append_utf8(std::string& out, uint32_t c) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3F)); };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6), tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12), tail(6), tail(0);
  } else {
    out += static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0);
  }
}

}  // namespace

JsonReader::JsonReader(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {
  at_ = malformed_utf8(text_);
  if (at_ != std::string_view::npos) error("not UTF-8");
  at_ = 0;
}

void JsonReader::error(const std::string& message) const {
  fail(Code::CorruptFile, what_, ": ", message, " at byte ", at_);
}

void JsonReader::skip_space() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
    ++at_;
}

bool JsonReader::take(char c) {
  skip_space();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonReader::expect(char c) {
  if (!take(c)) error(std::string("expected '") + c + "'");
}

void JsonReader::object(const std::function<void(const std::string&)>& member) {
  std::set<std::string> keys;
  expect('{');
  if (take('}')) return;
  do {
    const std::string key = string();
    if (!keys.insert(key).second) error("'" + key + "' comes twice,");
    expect(':');
    member(key);
  } while (take(','));
  expect('}');
}

void JsonReader::array(const std::function<void()>& element) {
  expect('[');
  if (take(']')) return;
  do element();
  while (take(','));
  expect(']');
}

uint32_t JsonReader::code_unit() {
  uint32_t unit = 0;
  for (int i = 0; i < 4; ++i, ++at_) {
    const char c = at_ < text_.size() ? text_[at_] : ' ';
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) error("expected four hexadecimal digits");
    unit = unit * 16 + static_cast<uint32_t>(digit);
  }
  return unit;
}

std::string JsonReader::string() {
  expect('"');
  std::string out;
  for (;;) {
    if (at_ >= text_.size()) error("a string without end");
    const char c = text_[at_++];
    if (c == '"') return out;
    if (static_cast<unsigned char>(c) < 0x20) error("a control character inside a string");
    if (c != '\\') {
      out += c;
      continue;
    }
    const char escape = at_ < text_.size() ? text_[at_++] : '\0';
    static constexpr std::string_view names = "\"\\/bfnrt", values = "\"\\/\b\f\n\r\t";
    if (escape == 'u') {
      uint32_t unit = code_unit();
      if (unit >= 0xDC00 && unit < 0xE000) error("half of a surrogate pair");
      if (unit >= 0xD800 && unit < 0xDC00) {
        if (text_.substr(at_, 2) != "\\u") error("half of a surrogate pair");
        at_ += 2;
        const uint32_t low = code_unit();
        if (low < 0xDC00 || low >= 0xE000) error("half of a surrogate pair");
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      }
      append_utf8(out, unit);
    } else if (const size_t i = escape ? names.find(escape) : names.npos; i != names.npos) {
      out += values[i];
    } else {
      error("an unknown escape");
    }
  }
}

int64_t JsonReader::integer() {
  skip_space();
  const size_t start = at_;
  int64_t value = 0;
  for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
    const int digit = text_[at_] - '0';
    if (value > (std::numeric_limits<int64_t>::max() - digit) / 10) error("an integer beyond 64 bits");
    value = value * 10 + digit;
  }
  if (at_ == start || (text_[start] == '0' && at_ > start + 1)) error("expected an integer of at least 0");
  if (at_ < text_.size() && (text_[at_] == '.' || text_[at_] == 'e' || text_[at_] == 'E')) error("expected an integer");
  return value;
}

void JsonReader::end() {
  skip_space();
  if (at_ != text_.size()) error("more text than one JSON value");
}

std::string json_string(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00", out += digits[c >> 4], out += digits[c & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace whisper
