// See cublaslt.h.
#include "cuda/cublaslt.h"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>

#include "core/error.h"

namespace whisper::cuda {
namespace {

constexpr const char* names[] = {"libcublasLt.so.13", "libcublasLt.so.12"};

template <class F>
void bind(void* library, const std::string& file, const char* symbol, F*& function) {
  function = reinterpret_cast<F*>(dlsym(library, symbol));
  if (!function) fail(Code::DeviceUnavailable, file, " has no ", symbol);
}

struct Loaded {
  std::unique_ptr<const Cublaslt> library;
  std::string why;
};

const Loaded& loaded() {
  static const Loaded loaded = [] {
    try {
      return Loaded{std::make_unique<Cublaslt>(load_cublaslt(std::getenv("WHISPER_TUNE_CUDA_LIBS"))), ""};
    } catch (const Error& e) {
      return Loaded{nullptr, e.what()};
    }
  }();
  return loaded;
}

}  // namespace

// Either major serves: both carry a runtime of their own and meet ours in the driver's context of the device. What was
// loaded stays, for its kernels may be on their way when the program ends.
Cublaslt load_cublaslt(const char* folder) {
  std::string tried;
  for (const bool named : {true, false}) {
    if (named && !(folder && *folder)) continue;
    for (const char* name : names) {
      const std::string file = named ? std::string(folder) + "/" + name : name;
      void* const library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
      if (!library) {
        const char* const error = dlerror();
        tried += (tried.empty() ? "" : "; ") + std::string(error ? error : file);
        continue;
      }
      Cublaslt bound;
      bound.file = file;
      bind(library, file, "cublasLtGetVersion", bound.get_version);
      // 120803, 130000
      if (const size_t version = bound.get_version(); version / 10000 != 12 && version / 10000 != 13)
        fail(Code::DeviceUnavailable, file, " is version ", version, ": 12 or 13 is needed");
      bind(library, file, "cublasLtCreate", bound.create);
      bind(library, file, "cublasLtMatmulDescCreate", bound.operation_create);
      bind(library, file, "cublasLtMatmulDescDestroy", bound.operation_destroy);
      bind(library, file, "cublasLtMatmulDescSetAttribute", bound.operation_set);
      bind(library, file, "cublasLtMatrixLayoutCreate", bound.layout_create);
      bind(library, file, "cublasLtMatrixLayoutDestroy", bound.layout_destroy);
      bind(library, file, "cublasLtMatmulPreferenceCreate", bound.preference_create);
      bind(library, file, "cublasLtMatmulPreferenceDestroy", bound.preference_destroy);
      bind(library, file, "cublasLtMatmulPreferenceSetAttribute", bound.preference_set);
      bind(library, file, "cublasLtMatmulAlgoGetHeuristic", bound.heuristic);
      bind(library, file, "cublasLtMatmul", bound.multiply);
      return bound;
    }
  }
  fail(Code::DeviceUnavailable, "cuBLASLt was not found: ", tried,
       "; WHISPER_TUNE_CUDA_LIBS can name the folder that has it");
}

const Cublaslt* cublaslt() { return loaded().library.get(); }
std::string why_no_cublaslt() { return loaded().why; }

}  // namespace whisper::cuda
