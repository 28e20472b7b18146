// Products by cuBLASLt. It thinks in columns: the rows of C are the columns of its D = Cᵀ[n, m] = Bᵀ·Aᵀ, so its first
// factor is our B and its second our A. What lies along k in rows is a transposed first factor, or a second one as it
// is:
//
//     B[k, j] at row(j)[k], across: columns of length k, transposed     at row(k)[j], along: columns of length n
//     A[i, k] at row(i)[k], across: columns of length k                 at row(k)[i], along: columns of length m,
//     transposed
//
// It adds a bias along D's rows, our n, in f32 to a D of f32 alone, and adds to C by beta = 1. A 16-bit C with a bias,
// or to be added to, takes a slab of f32 sums and the launch that finishes slabs; GELU takes a launch of its own, for
// the library's is the tanh approximation.
#include "cuda/gemm_cublaslt.h"

#include <cmath>
#include <map>
#include <mutex>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "core/half.h"
#include "cuda/cublaslt.h"
#include "cuda/cuda_backend.h"
#include "cuda/epilogue.h"

namespace whisper::cuda {
namespace {

using L = Cublaslt;

constexpr size_t workspace_bytes = size_t{32} << 20;  // what NVIDIA recommends for Hopper
constexpr uint32_t alignment = 16;                    // bytes, of addresses and distances of rows

void check(int status, const char* op, const char* what) {
  if (status) fail(Code::DeviceFailed, op, ": cuBLASLt ", what, " reports status ", status);
}

L::Type type_of(DType type) { return type == DType::F16 ? L::R16F : type == DType::BF16 ? L::R16BF : L::R32F; }

bool is_aligned(const Rows& r, int64_t rows, int64_t columns) {
  const bool even = r.period >= rows || r.batch_stride == r.period * r.stride;
  return even && r.stride >= columns && r.stride * static_cast<int64_t>(size_of(r.dtype)) % alignment == 0 &&
         reinterpret_cast<uintptr_t>(r.address) % alignment == 0;
}
bool is_aligned(const Factor& f, int64_t rows, int64_t steps) {
  return f.direction == Factor::Across ? is_aligned(f.rows, rows, steps) : is_aligned(f.rows, steps, rows);
}

// A product as the library is asked for it, and the way it has chosen.
class Plan {
 public:
  Plan(const L& library, L::Handle handle, const char* op, const Product& p) : library_(library) {
    const bool a_along = p.a.direction == Factor::Along, b_along = p.b.direction == Factor::Along;
    const int transpose_first = !b_along, transpose_second = a_along;
    const int epilogue = p.bias ? L::Bias : L::NoEpilogue;
    check(library.operation_create(&operation_, L::Compute32F, L::R32F), op, "cublasLtMatmulDescCreate");
    set(L::TransposeA, transpose_first, op);
    set(L::TransposeB, transpose_second, op);
    set(L::Epilogue, epilogue, op);
    layout(&first_, p.b.rows, b_along ? p.n : p.k, b_along ? p.k : p.n, op);
    layout(&second_, p.a.rows, a_along ? p.m : p.k, a_along ? p.k : p.m, op);
    layout(&result_, p.c, p.n, p.m, op);
    choose(handle, op);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;
  ~Plan() {
    for (const L::Layout layout : {first_, second_, result_})
      if (layout) library_.layout_destroy(layout);
    if (operation_) library_.operation_destroy(operation_);
  }

  bool possible() const { return possible_; }

  void run(CudaBackend& backend, L::Handle handle, const char* op, const Product& p) {
    const float alpha = 1, beta = p.add ? 1 : 0;
    if (p.bias) set(L::BiasPointer, p.bias, op);
    const std::shared_ptr<void> workspace = backend.allocate(workspace_bytes);
    check(library_.multiply(handle, operation_, &alpha, p.b.rows.address, first_, p.a.rows.address, second_, &beta,
                            p.c.address, result_, p.c.address, result_, &algorithm_, workspace.get(), workspace_bytes,
                            backend.device().stream()),
          op, "cublasLtMatmul");
  }

 private:
  template <class T>
  void set(L::OperationAttribute attribute, const T& value, const char* op) {
    check(library_.operation_set(operation_, attribute, &value, sizeof value), op, "cublasLtMatmulDescSetAttribute");
  }
  void layout(L::Layout* layout, const Rows& rows, int64_t height, int64_t width, const char* op) {
    check(library_.layout_create(layout, type_of(rows.dtype), static_cast<uint64_t>(height),
                                 static_cast<uint64_t>(width), rows.stride),
          op, "cublasLtMatrixLayoutCreate");
  }
  void choose(L::Handle handle, const char* op) {
    L::Preference preference;
    check(library_.preference_create(&preference), op, "cublasLtMatmulPreferenceCreate");
    const std::unique_ptr<std::remove_pointer_t<L::Preference>, int (*)(L::Preference)> destroyed(
        preference, library_.preference_destroy);
    const auto prefer = [&](L::PreferenceAttribute attribute, const auto& value) {
      check(library_.preference_set(preference, attribute, &value, sizeof value), op,
            "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(L::MaxWorkspace, static_cast<uint64_t>(workspace_bytes));
    for (const auto attribute : {L::AlignmentA, L::AlignmentB, L::AlignmentC, L::AlignmentD})
      prefer(attribute, alignment);
    L::Heuristic found;
    int count = 0;
    const int status =
        library_.heuristic(handle, operation_, first_, second_, result_, result_, preference, 1, &found, &count);
    possible_ = status == 0 && count > 0 && found.status == 0;
    algorithm_ = found.algorithm;
  }

  const L& library_;
  L::Operation operation_ = nullptr;
  L::Layout first_ = nullptr, second_ = nullptr, result_ = nullptr;
  L::Algorithm algorithm_{};
  bool possible_ = false;
};

// What a plan depends on: dtypes, directions, sizes, distances of rows, whether there is a bias.
using Key = std::tuple<DType, DType, int, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, bool>;

// The library on one GPU.
class Planned {
 public:
  explicit Planned(CudaBackend& backend) : library_(*cublaslt()) {
    backend.device().stream();  // what it makes is for the thread's GPU
    check(library_.create(&handle_), "cuBLASLt", "cublasLtCreate");
  }

  // p is what the library can do: one C, with a bias or added to only in f32.
  void multiply(CudaBackend& backend, const char* op, const Product& p) {
    const std::lock_guard lock(mutex_);
    const Key key{p.a.rows.dtype,
                  p.c.dtype,
                  p.a.direction * 2 + p.b.direction,
                  p.m,
                  p.n,
                  p.k,
                  p.a.rows.stride,
                  p.b.rows.stride,
                  p.c.stride,
                  p.bias != nullptr};
    std::unique_ptr<Plan>& plan = plans_[key];
    if (!plan) plan = std::make_unique<Plan>(library_, handle_, op, p);
    if (!plan->possible())
      fail(Code::DeviceFailed, op, ": cuBLASLt has no way to make a product of ", p.m, " x ", p.n, " x ", p.k);
    plan->run(backend, handle_, op, p);
  }

 private:
  const L& library_;
  L::Handle handle_ = nullptr;
  std::mutex mutex_;
  std::map<Key, std::unique_ptr<Plan>> plans_;
};

// Of the backend's GPU. They are never destroyed: when the program ends the driver may be gone before them.
Planned& planned(CudaBackend& backend) {
  static std::mutex mutex;
  static auto& all = *new std::map<std::string, std::unique_ptr<Planned>>;
  const std::lock_guard lock(mutex);
  std::unique_ptr<Planned>& found = all[backend.device().properties().device];
  if (!found) found = std::make_unique<Planned>(backend);
  return *found;
}

bool supports(const gpu::Properties&, const Product& p) {
  const DType type = p.a.rows.dtype;
  return cublaslt() && has_form(p) && size_of(type) == 2 && p.b.rows.dtype == type && p.m > 0 && p.n > 0 && p.k > 0 &&
         !p.live && is_aligned(p.a, p.m, p.k) && is_aligned(p.b, p.n, p.k) && is_aligned(p.c, p.m, p.n) &&
         reinterpret_cast<uintptr_t>(p.bias) % alignment == 0;
}

void run(CudaBackend& backend, const char* op, const Product& p) {
  Product bare{.m = p.m, .n = p.n, .k = p.k, .a = p.a, .b = p.b, .c = p.c};
  if (p.c.dtype != DType::F32 && (p.bias || p.add)) {
    const int64_t pitch = slab_pitch(p.n);
    const std::shared_ptr<void> sums = backend.allocate(static_cast<size_t>(p.m * pitch) * sizeof(float));
    bare.c = Rows(sums.get(), DType::F32, pitch);
    planned(backend).multiply(backend, op, bare);
    return finish_sums(backend, op, p, static_cast<const float*>(sums.get()), 1);
  }
  bare.bias = p.bias, bare.add = p.add;
  planned(backend).multiply(backend, op, bare);
  if (p.gelu || p.gelu_input) finish_stored(backend, op, p);
}

}  // namespace

// One product by the library and by mma.sync: what is wrong in how it is called shows in this.
std::string compare_cublaslt(CudaBackend& backend) {
  constexpr int64_t m = 128, n = 192, k = 256;
  std::vector<f16> a(m * k), b(n * k);
  std::vector<float> bias(n), expected(m * n), actual(m * n);
  const auto number = [](size_t i, size_t step) { return static_cast<float>(i * step % 31) / 16 - 1; };
  for (size_t i = 0; i < a.size(); ++i) a[i].bits = to_f16(number(i, 7));
  for (size_t i = 0; i < b.size(); ++i) b[i].bits = to_f16(number(i, 11));
  for (size_t i = 0; i < bias.size(); ++i) bias[i] = number(i, 5);
  const auto on_device = [&](const auto& host) {
    const size_t bytes = host.size() * sizeof host[0];
    std::shared_ptr<void> memory = backend.allocate(bytes);
    backend.upload(memory.get(), host.data(), bytes);
    return memory;
  };
  const std::shared_ptr<void> x = on_device(a), w = on_device(b), along_n = on_device(bias), c = on_device(expected);
  const Product p{.m = m,
                  .n = n,
                  .k = k,
                  .a = {Rows(x.get(), DType::F16, k), Factor::Across},
                  .b = {Rows(w.get(), DType::F16, k), Factor::Across},
                  .c = Rows(c.get(), DType::F32, n),
                  .bias = static_cast<const float*>(along_n.get())};
  gemm_mma.run(backend, "cuBLASLt", p);
  backend.download(expected.data(), c.get(), expected.size() * sizeof(float));
  run(backend, "cuBLASLt", p);
  backend.download(actual.data(), c.get(), actual.size() * sizeof(float));
  for (size_t i = 0; i < actual.size(); ++i)
    if (!(std::abs(actual[i] - expected[i]) <= 1e-3f))
      return cublaslt()->file + " makes wrong products: element " + std::to_string(i) + " is " +
             std::to_string(actual[i]) + ", not " + std::to_string(expected[i]);
  return "";
}

std::string why_not_cublaslt(CudaBackend& backend) {
  if (!cublaslt()) return why_no_cublaslt();
  static std::mutex mutex;
  static std::map<std::string, std::string> found;  // of each GPU
  const std::lock_guard lock(mutex);
  const std::string& device = backend.device().properties().device;
  if (const auto known = found.find(device); known != found.end()) return known->second;
  std::string why;
  try {
    why = compare_cublaslt(backend);
  } catch (const Error& e) {
    why = e.what();
  }
  return found[device] = why;
}

const GemmCandidate gemm_cublaslt{"cublaslt", supports, run};

}  // namespace whisper::cuda
