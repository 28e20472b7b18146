# The addon as `npm install` in a clone builds it. Sources: native/sources.gypi. CMakeLists.txt is the developers' build.
{
  "includes": ["native/sources.gypi"],
  "variables": {
    # What scripts/build-cuda.mjs made, and CUDA's static runtime. Without them the addon has no CUDA.
    "cuda_object%": "",
    "cuda_runtime%": "",
  },
  "targets": [{
    "target_name": "whisper_tune",
    "sources": ["<@(native_sources)", "<@(binding_sources)"],
    "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api_except_all"],
    "include_dirs": ["native", "bindings"],
    "defines": [
      "NAPI_VERSION=9",
      "NODE_ADDON_API_DISABLE_DEPRECATED",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",  # a worker that is being terminated takes no exceptions
      "WHISPER_TUNE_VERSION=<!(node -p \"require('./package.json').version\")",
    ],
    # -Wno-restrict: GCC 12 sees overlaps in std::string that are not there (its bug 105651).
    # No -march=native and no per-file -m flags: native/cpu/isa/target.h says how wide instructions get in.
    # Products and sums are fused where the kernels say fma() and nowhere else, whatever the compiler.
    "cflags": ["-O3", "-fvisibility=hidden", "-ffp-contract=off"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-rtti"],
    "cflags_cc": ["-std=c++20", "-Wall", "-Wextra", "-Wno-unused-parameter", "-Wno-restrict"],
    "conditions": [
      ["cuda_object!=''", {
        "sources": ["<(cuda_object)"],
        "libraries": ["<(cuda_runtime)", "-ldl", "-lpthread", "-lrt"],
      }, {
        "sources": ["<@(no_cuda_sources)"],
      }],
      ["OS=='linux'", {
        # The C++ library goes inside, hidden, so that the binary asks the machine for glibc only. "nodelete": a worker
        # thread that ends unloads its addons, and the threads of the CPU back end must not lose their code.
        "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,-z,nodelete"],
      }],
      ["OS=='mac'", {
        "xcode_settings": {
          "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
          "GCC_OPTIMIZATION_LEVEL": "3",
          "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
          "MACOSX_DEPLOYMENT_TARGET": "12.0",
        },
      }],
    ],
  }],
}
