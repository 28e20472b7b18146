{
  "variables": {
    "native_sources": [
      "native/audio/mel_filters.cpp",
      "native/audio/resample.cpp",
      "native/backend.cpp",
      "native/core/json.cpp",
      "native/core/safetensors.cpp",
      "native/cpu/adamw.cpp",
      "native/cpu/add.cpp",
      "native/cpu/argmax.cpp",
      "native/cpu/attention.cpp",
      "native/cpu/classifier.cpp",
      "native/cpu/cores.cpp",
      "native/cpu/cpu_backend.cpp",
      "native/cpu/embed.cpp",
      "native/cpu/fold.cpp",
      "native/cpu/gather.cpp",
      "native/cpu/gelu.cpp",
      "native/cpu/gemm.cpp",
      "native/cpu/isa/avx2.cpp",
      "native/cpu/isa/avx512.cpp",
      "native/cpu/isa/generic.cpp",
      "native/cpu/kernels.cpp",
      "native/cpu/layernorm.cpp",
      "native/cpu/linear.cpp",
      "native/cpu/log_mel.cpp",
      "native/cpu/mask_spans.cpp",
      "native/cpu/memory_pool.cpp",
      "native/cpu/norm.cpp",
      "native/cpu/thread_pool.cpp"
    ],
    "binding_sources": [
      "bindings/addon.cpp",
      "bindings/convert.cpp",
      "bindings/error.cpp",
      "bindings/ops.cpp"
    ],
    "cuda_sources": [],
    "no_cuda_sources": [
      "native/cuda/absent.cpp"
    ]
  }
}
