// Every operation of ops.def as a function of JavaScript, for the tests and for the benchmarks.
#include "ops.h"

#include <cctype>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "backend.h"
#include "convert.h"
#include "error.h"
#include "fields.h"
#include "stopwatch.h"

namespace whisper::js {

// What describes the view in an operand, beside its data.
struct Spacing {
  std::vector<int64_t> shape;
  int64_t offset = 0;       // elements before the first
  int64_t row_stride = -1;  // negative: dense
  int64_t batch_stride = -1;
};

namespace {

// The operands of one call. Arrays that occur twice are on the device once: that is how a test makes `z` be `x`, or the
// three parts of packed rows.
class Operands {
 public:
  explicit Operands(Backend& backend) : backend_(backend) {}

  View view(Napi::Value v, const Path& at, bool written) {
    if (v.IsNull() || v.IsUndefined()) return {};
    if (!v.IsObject()) unexpected(at, "{data, shape} or null", v);
    const auto object = v.As<Napi::Object>();
    const Host& host = upload(object.Get("data"), object.Get("dtype"), at, written);
    return spaced(object, at, host);
  }

  void copy_back() {
    for (const Host& host : hosts_)
      if (host.written) backend_.download(host.data, host.device.address, host.bytes());
  }

 private:
  struct Host {
    void* data;
    int64_t length;
    Tensor device;
    bool written;
    size_t bytes() const { return static_cast<size_t>(length) * size_of(device.dtype); }
  };

  // The dtype that an array's type says; of 16 bits it is in the operand.
  static DType dtype_of(Napi::Value v, Napi::Value dtype, const Path& at) {
    switch (v.IsTypedArray() ? v.As<Napi::TypedArray>().TypedArrayType() : napi_int8_array) {
      case napi_float32_array:
        return DType::F32;
      case napi_int32_array:
        return DType::I32;
      case napi_int16_array:
        return DType::I16;
      case napi_uint8_array:
        return DType::U8;
      case napi_uint16_array:
        switch (Js<Precision>::from(dtype, Path("dtype", &at))) {
          case Precision::f16:
            return DType::F16;
          case Precision::bf16:
            return DType::BF16;
          default:
            unexpected(Path("dtype", &at), "'f16' or 'bf16' for 16-bit data", dtype);
        }
      default:
        unexpected(Path("data", &at), "a Float32Array, Int32Array, Int16Array, Uint8Array or Uint16Array", v);
    }
  }

  const Host& upload(Napi::Value v, Napi::Value given, const Path& at, bool written) {
    const DType dtype = dtype_of(v, given, at);
    const auto array = v.As<Napi::TypedArray>();
    const auto length = static_cast<int64_t>(array.ElementLength());
    void* data = static_cast<std::byte*>(array.ArrayBuffer().Data()) + array.ByteOffset();
    for (Host& host : hosts_)
      if (length > 0 && host.data == data && host.length == length) {
        host.written |= written;
        return host;
      }
    // An empty array still gets an address, for a null one means "absent".
    Tensor device = backend_.empty({std::max<int64_t>(length, 1)}, dtype);
    Host& host = hosts_.emplace_back(Host{data, length, device, written});
    if (length > 0) backend_.upload(device.address, data, host.bytes());
    return host;
  }

  static View spaced(Napi::Object object, const Path& at, const Host& host);

  Backend& backend_;
  std::vector<Host> hosts_;
};

View Operands::spaced(Napi::Object object, const Path& at, const Host& host) {
  const Napi::Array names = object.GetPropertyNames();
  Spacing s;
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const std::string name = names.Get(i).As<Napi::String>();
    const Napi::Value v = object.Get(name);
    const Path here(name.c_str(), &at);
    if (name == "data" || name == "dtype" || v.IsUndefined()) continue;
    if (name == "shape")
      s.shape = Js<std::vector<int64_t>>::from(v, here);
    else if (name == "offset")
      s.offset = Js<int64_t>::from(v, here);
    else if (name == "rowStride")
      s.row_stride = Js<int64_t>::from(v, here);
    else if (name == "batchStride")
      s.batch_stride = Js<int64_t>::from(v, here);
    else
      fail(Code::InvalidArgument, at.text(), ": unknown '", name,
           "'; known are data, dtype, shape, offset, rowStride, batchStride");
  }
  if (!object.Has("shape")) unexpected(Path("shape", &at), "an array", object.Env().Undefined());
  if (s.shape.empty() || s.shape.size() > 4)
    fail(Code::InvalidArgument, at.text(), ".shape: expected 1 to 4 sizes, got ", s.shape.size());
  Shape shape;
  for (int64_t dim : s.shape) {
    if (dim < 0) fail(Code::InvalidArgument, at.text(), ".shape: a size of ", dim);
    shape.dims[shape.rank++] = dim;
  }
  const bool dense = s.offset == 0 && s.row_stride < 0 && s.batch_stride < 0;
  if (dense && shape.size() != host.length)
    fail(Code::ShapeMismatch, at.text(), ": shape ", shape, " has ", shape.size(), " elements, data has ", host.length);
  if (s.offset < 0) fail(Code::InvalidArgument, at.text(), ".offset: ", s.offset);
  if (std::max({s.offset, s.row_stride, s.batch_stride}) > (int64_t{1} << 40))
    fail(Code::ShapeMismatch, at.text(), ": the view ends at element 2^40 or later, data has ", host.length);

  View view(static_cast<std::byte*>(host.device.address) + s.offset * static_cast<int64_t>(size_of(host.device.dtype)),
            shape, host.device.dtype);
  if (s.row_stride >= 0) view.row_stride = s.row_stride, view.batch_stride = s.row_stride * view.period();
  if (s.batch_stride >= 0) view.batch_stride = s.batch_stride;
  const int64_t end = shape.size() == 0 ? s.offset : s.offset + view.row(shape.rows() - 1) + shape.width();
  if (end > host.length)
    fail(Code::ShapeMismatch, at.text(), ": the view of shape ", shape, " ends at element ", end, ", data has ",
         host.length);
  return view;
}

// One parameter of an operation.
template <class T>
struct Argument {
  static T from(Operands&, Napi::Value v, const Path& at) { return Js<T>::from(v, at); }
};
template <class T>
requires std::derived_from<T, View>
struct Argument<T> {
  static T from(Operands& operands, Napi::Value v, const Path& at) {
    return operands.view(v, at, !std::is_same_v<T, In>);
  }
};

// "Out y, In x" -> {"y", "x"}
std::vector<std::string> parameter_names(std::string_view declaration) {
  std::vector<std::string> names;
  while (!declaration.empty()) {
    const size_t comma = std::min(declaration.find(','), declaration.size());
    const std::string_view one = declaration.substr(0, comma);
    names.emplace_back(one.substr(one.rfind(' ') + 1));
    declaration.remove_prefix(std::min(comma + 1, declaration.size()));
  }
  return names;
}

std::string camel_case(std::string_view name) {
  std::string out;
  bool upper = false;
  for (char c : name) {
    if (c == '_')
      upper = true;
    else
      out += upper ? static_cast<char>(std::toupper(c)) : c, upper = false;
  }
  return out;
}

// use(env, operands, operation) decides how often the operation is queued and waited for, and makes the value that the
// function returns.
template <class Use, class... A>
void bind(Napi::Object object, const std::shared_ptr<Backend>& backend, const Use& use, const char* op,
          const char* declaration, void (Backend::*f)(A...)) {
  const std::string name = camel_case(op);
  auto call = [backend, use, f, name, names = parameter_names(declaration)](const Napi::CallbackInfo& info) {
    return guard(info.Env(), [&] {
      if (info.Length() != sizeof...(A))
        fail(Code::InvalidArgument, name, ": expected ", sizeof...(A), " operands, got ", info.Length());
      Operands operands(*backend);
      return [&]<size_t... I>(std::index_sequence<I...>) {
        const Path at(name.c_str());
        // Braces, because they alone fix the order of evaluation.
        std::tuple<A...> arguments{Argument<A>::from(operands, info[I], Path(names[I].c_str(), &at))...};
        return use(info.Env(), operands, [&] { ((*backend).*f)(std::get<I>(arguments)...); });
      }
      (std::index_sequence_for<A...>{});
    });
  };
  object.Set(name, Napi::Function::New(object.Env(), call, name));
}

std::shared_ptr<Backend> backend_of(const Napi::CallbackInfo& info) {
  return open_backend(Js<std::string>::from(info[0], "device"));
}

template <class Use>
Napi::Value all_ops(Napi::Env env, const std::shared_ptr<Backend>& backend, const Use& use) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("device", backend->name());
#define OP(name, ...) bind(object, backend, use, #name, #__VA_ARGS__, &Backend::name);
#include "ops.def"
#undef OP
  return object;
}

}  // namespace

Napi::Value ops(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    const std::shared_ptr<Backend> backend = backend_of(info);
    return all_ops(info.Env(), backend, [backend](Napi::Env env, Operands& operands, auto&& operation) -> Napi::Value {
      operation();
      backend->synchronize();
      operands.copy_back();
      return env.Undefined();
    });
  });
}

Napi::Value op_times(const Napi::CallbackInfo& info) {
  return guard(info.Env(), [&] {
    const int repeats = Js<int>::from(info[1], "repeats"), calls = Js<int>::from(info[2], "calls");
    if (repeats < 1) fail(Code::InvalidArgument, "repeats: expected at least 1, got ", repeats);
    if (calls < 1) fail(Code::InvalidArgument, "calls: expected at least 1, got ", calls);
    const std::shared_ptr<Backend> backend = backend_of(info);
    if (Js<bool>::from(info[3], "fastProducts")) backend->fast_products();
    return all_ops(info.Env(), backend, [=](Napi::Env env, Operands&, auto&& operation) -> Napi::Value {
      auto times = Napi::Float64Array::New(env, static_cast<size_t>(repeats));
      operation();
      backend->synchronize();
      for (size_t i = 0; i < times.ElementLength(); ++i)
        times[i] = milliseconds_of(*backend,
                                   [&] {
                                     for (int call = 0; call < calls; ++call) operation();
                                   }) /
                   calls;
      return times;
    });
  });
}

}  // namespace whisper::js
