// The words of conversion errors.
#include "convert.h"

namespace whisper::js {

std::string Path::text() const {
  const std::string own = name ? std::string(name) : "[" + std::to_string(index) + "]";
  if (!parent) return own;
  return parent->text() + (name ? "." : "") + own;
}

std::string kind_of(Napi::Value v) {
  if (v.IsArray()) return "an array";
  if (v.IsTypedArray()) {
    switch (v.As<Napi::TypedArray>().TypedArrayType()) {
      case napi_float32_array:
        return "a Float32Array";
      case napi_float64_array:
        return "a Float64Array";
      case napi_int32_array:
        return "an Int32Array";
      case napi_int16_array:
        return "an Int16Array";
      case napi_uint8_array:
        return "a Uint8Array";
      default:
        return "another typed array";
    }
  }
  switch (v.Type()) {
    case napi_undefined:
      return "nothing";
    case napi_null:
      return "null";
    case napi_boolean:
      return v.As<Napi::Boolean>() ? "true" : "false";
    case napi_number:
      return v.ToString().Utf8Value();
    case napi_string: {
      const std::string text = v.As<Napi::String>();
      return text.size() <= 40 ? "'" + text + "'" : "a string of " + std::to_string(text.size()) + " bytes";
    }
    case napi_function:
      return "a function";
    case napi_object:
      return "an object";
    default:
      return "another kind of value";
  }
}

void unexpected(const Path& at, const char* expected, Napi::Value got) {
  fail(Code::InvalidArgument, at.text(), ": expected ", expected, ", got ", kind_of(got));
}

}  // namespace whisper::js
