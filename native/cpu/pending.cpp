// Operations that are declared and not written yet.
#include "core/error.h"
#include "cpu/cpu_backend.h"

namespace whisper {
void CpuBackend::adamw_hf(Acc, Acc, Acc, In, In, AdamwHyper) { fail(Code::InvalidArgument, "adamw_hf is not there"); }
void CpuBackend::adamw_8bit(Acc, Acc, Acc, Acc, Acc, In, In, AdamwHyper, bool) {
  fail(Code::InvalidArgument, "adamw_8bit is not there");
}
void CpuBackend::adafactor(Acc, Acc, Acc, In, In, AdafactorHyper) {
  fail(Code::InvalidArgument, "adafactor is not there");
}
void CpuBackend::sgd(Acc, In, In, double, double) { fail(Code::InvalidArgument, "sgd is not there"); }
void CpuBackend::dequantize(Out, In, In, In, int) { fail(Code::InvalidArgument, "dequantize is not there"); }
void CpuBackend::quantize(Out, Out, In, bool) { fail(Code::InvalidArgument, "quantize is not there"); }
}  // namespace whisper
