// The 8-bit code of moments by itself: numbers of blocks from codes, and codes of numbers.
#include "core/expect.h"
#include "core/nearest_code.h"
#include "cpu/chunks.h"
#include "cpu/cpu_backend.h"
#include "cpu/thread_pool.h"

namespace whisper {

void CpuBackend::dequantize(Out x, In codes, In absmax, In map, int block) {
  const Expect op("dequantize");
  const int64_t n = x.shape.size();
  if (block < 1) fail(Code::InvalidArgument, "dequantize: block is ", block, ", expected at least 1");
  const int64_t blocks = (n + block - 1) / block;
  op.flat("x", x, n);
  op.flat("codes", codes, n, DType::U8);
  op.flat("absmax", absmax, blocks);
  op.flat("map", map, 256);
  cpu::parallel_for(n, block * cpu::chunk_rows(block), [&](int64_t begin, int64_t end) {
    kernels_.optimizer.decode(x.as<float>() + begin, codes.as<uint8_t>() + begin, end - begin, block,
                              absmax.as<float>() + begin / block, map.as<float>());
  });
}

void CpuBackend::quantize(Out codes, Out absmax, In x, bool is_signed) {
  constexpr int64_t block = code_block;
  const Expect op("quantize");
  const int64_t n = x.shape.size(), blocks = (n + block - 1) / block;
  op.flat("codes", codes, n, DType::U8);
  op.flat("absmax", absmax, blocks);
  op.flat("x", x, n);
  cpu::parallel_for(blocks, cpu::chunk_rows(block), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t at = b * block;
      absmax.as<float>()[b] =
          kernels_.optimizer.encode(codes.as<uint8_t>() + at, x.as<float>() + at, std::min(block, n - at), is_signed);
    }
  });
}

}  // namespace whisper
