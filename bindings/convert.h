// How values cross between JavaScript and C++: one specialisation of Js<T> per type, with from() and to(). A wrong
// value is named by its path: "batches[1].labels: expected an Int32Array, got a Float32Array".
#pragma once
#include <napi.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "core/spellings.h"

namespace whisper::js {

// Where a value stands: a name, or an index, inside another value. Lives on the stack; spelt out only in an error.
struct Path {
  const char* name = nullptr;
  const Path* parent = nullptr;
  int64_t index = -1;

  Path(const char* name, const Path* parent = nullptr) : name(name), parent(parent) {}
  Path(int64_t index, const Path* parent) : parent(parent), index(index) {}
  std::string text() const;
};

// "a string", "null", "an Int32Array" …
std::string kind_of(Napi::Value v);

[[noreturn]] void unexpected(const Path& at, const char* expected, Napi::Value got);

template <class T>
struct Js;

template <>
struct Js<bool> {
  static bool from(Napi::Value v, const Path& at) {
    if (!v.IsBoolean()) unexpected(at, "true or false", v);
    return v.As<Napi::Boolean>();
  }
  static Napi::Value to(Napi::Env env, bool v) { return Napi::Boolean::New(env, v); }
};

template <std::floating_point T>
struct Js<T> {
  static T from(Napi::Value v, const Path& at) {
    if (!v.IsNumber() || !std::isfinite(v.As<Napi::Number>().DoubleValue())) unexpected(at, "a finite number", v);
    return static_cast<T>(v.As<Napi::Number>().DoubleValue());
  }
  static Napi::Value to(Napi::Env env, T v) { return Napi::Number::New(env, v); }
};

template <std::integral T>
struct Js<T> {
  // Within T and within the integers that a double holds exactly.
  static constexpr double most = std::min(static_cast<double>(std::numeric_limits<T>::max()), 9007199254740991.0);
  static constexpr double least = std::max(static_cast<double>(std::numeric_limits<T>::min()), -9007199254740991.0);
  static T from(Napi::Value v, const Path& at) {
    const double x = v.IsNumber() ? v.As<Napi::Number>().DoubleValue() : std::nan("");
    if (!(x >= least && x <= most) || x != std::trunc(x))
      unexpected(at, std::is_unsigned_v<T> ? "an integer of at least 0" : "an integer", v);
    return static_cast<T>(x);
  }
  static Napi::Value to(Napi::Env env, T v) { return Napi::Number::New(env, static_cast<double>(v)); }
};

template <>
struct Js<std::string> {
  static std::string from(Napi::Value v, const Path& at) {
    if (!v.IsString()) unexpected(at, "a string", v);
    return v.As<Napi::String>();
  }
  static Napi::Value to(Napi::Env env, const std::string& v) { return Napi::String::New(env, v); }
};

// An enumeration is one of a few strings.
template <class T>
requires std::is_enum_v<T>
struct Js<T> {
  static T from(Napi::Value v, const Path& at) {
    std::string known;
    for (const auto& [spelling, value] : Spellings<T>::list) {
      if (v.IsString() && v.As<Napi::String>().Utf8Value() == spelling) return value;
      known += (known.empty() ? "'" : " or '") + std::string(spelling) + "'";
    }
    unexpected(at, known.c_str(), v);
  }
  static Napi::Value to(Napi::Env env, T v) { return Napi::String::New(env, spelling_of(v)); }
};

// Typed arrays are copied in, because another thread will read them, and out, because the engine reuses its memory.
template <class T, napi_typedarray_type Type>
struct JsTyped {
  // Where it lies: only for this thread, and until JavaScript runs again.
  static std::span<const T> span(Napi::Value v, const Path& at) {
    if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != Type)
      unexpected(at, Type == napi_float32_array ? "a Float32Array" : "an Int32Array", v);
    const auto a = v.As<Napi::TypedArrayOf<T>>();
    return {a.Data(), a.ElementLength()};
  }
  static std::vector<T> from(Napi::Value v, const Path& at) {
    const std::span<const T> a = span(v, at);
    return {a.begin(), a.end()};
  }
  static Napi::Value to(Napi::Env env, const std::vector<T>& v) {
    auto a = Napi::TypedArrayOf<T>::New(env, v.size(), Type);
    std::copy(v.begin(), v.end(), a.Data());
    return a;
  }
};
template <>
struct Js<std::vector<float>> : JsTyped<float, napi_float32_array> {};
template <>
struct Js<std::vector<int32_t>> : JsTyped<int32_t, napi_int32_array> {};
template <>
struct Js<std::span<const float>> {
  static std::span<const float> from(Napi::Value v, const Path& at) { return Js<std::vector<float>>::span(v, at); }
};

template <class T>
struct Js<std::vector<T>> {
  static std::vector<T> from(Napi::Value v, const Path& at) {
    if (!v.IsArray()) unexpected(at, "an array", v);
    const auto array = v.As<Napi::Array>();
    std::vector<T> out;
    out.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) out.push_back(Js<T>::from(array.Get(i), Path(i, &at)));
    return out;
  }
  static Napi::Value to(Napi::Env env, const std::vector<T>& v) {
    Napi::Array array = Napi::Array::New(env, v.size());
    for (uint32_t i = 0; i < v.size(); ++i) array.Set(i, Js<T>::to(env, v[i]));
    return array;
  }
};

template <class T>
struct Js<std::map<std::string, T>> {
  static std::map<std::string, T> from(Napi::Value v, const Path& at) {
    if (!v.IsObject() || v.IsArray()) unexpected(at, "an object", v);
    const auto object = v.As<Napi::Object>();
    const Napi::Array names = object.GetPropertyNames();
    std::map<std::string, T> out;
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).As<Napi::String>();
      out.emplace(name, Js<T>::from(object.Get(name), Path(name.c_str(), &at)));
    }
    return out;
  }
  static Napi::Value to(Napi::Env env, const std::map<std::string, T>& v) {
    Napi::Object object = Napi::Object::New(env);
    for (const auto& [name, value] : v) object.Set(name, Js<T>::to(env, value));
    return object;
  }
};

// A struct lists its fields once, in bindings/fields.h:
//
//   void fields(auto& f, StepOptions& o) { f.required("scales", o.scales); f.optional("beta1", o.beta1); }
//
// Parsing, unknown names and the way back to JavaScript all come from that list.
namespace detail {
struct Names {
  std::string list;
  bool found = false;
  const std::string* wanted = nullptr;
  void required(const char* name, auto&) {
    list += (list.empty() ? "" : ", ") + std::string(name);
    if (wanted && *wanted == name) found = true;
  }
  void optional(const char* name, auto& field) { required(name, field); }
};
struct Reader {
  Napi::Object object;
  const Path& at;
  template <class T>
  void optional(const char* name, T& field) {
    const Napi::Value v = object.Get(name);
    if (!v.IsUndefined()) field = Js<T>::from(v, Path(name, &at));
  }
  template <class T>
  void required(const char* name, T& field) {
    field = Js<T>::from(object.Get(name), Path(name, &at));
  }
};
struct Writer {
  Napi::Object object;
  template <class T>
  void required(const char* name, T& field) {
    object.Set(name, Js<T>::to(object.Env(), field));
  }
  void optional(const char* name, auto& field) { required(name, field); }
};
}  // namespace detail

template <class T>
concept Described = requires(detail::Names& names, T& t) {
  fields(names, t);
};

template <Described T>
struct Js<T> {
  static T from(Napi::Value v, const Path& at) {
    T t{};
    if (!v.IsObject() || v.IsArray() || v.IsTypedArray() || v.IsFunction()) unexpected(at, "an object", v);
    const auto object = v.As<Napi::Object>();
    const Napi::Array names = object.GetPropertyNames();
    for (uint32_t i = 0; i < names.Length(); ++i) {
      const std::string name = names.Get(i).As<Napi::String>();
      detail::Names known{{}, false, &name};
      fields(known, t);
      if (!known.found) fail(Code::InvalidArgument, at.text(), ": unknown option '", name, "'; known are ", known.list);
    }
    detail::Reader reader{object, at};
    fields(reader, t);
    return t;
  }
  static Napi::Value to(Napi::Env env, T t) {
    detail::Writer writer{Napi::Object::New(env)};
    fields(writer, t);
    return writer.object;
  }
};

}  // namespace whisper::js
