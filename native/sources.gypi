{
  "variables": {
    "native_sources": [
    ],
    "binding_sources": [
      "bindings/addon.cpp",
      "bindings/convert.cpp",
      "bindings/error.cpp",
      "bindings/ops.cpp"
    ]
  }
}
