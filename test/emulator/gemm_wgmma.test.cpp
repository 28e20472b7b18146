// Products by warpgroups on the emulated GPU.
#include "../native/test.h"
#include "products.h"

namespace whisper::test {

using P = ProductCase;
constexpr DType f32 = DType::F32, f16 = DType::F16, bf16 = DType::BF16;

TEST(gemm_wgmma_in_three_forms) {
  for (const P::Form form : {P::y, P::dx, P::dW})
    for (const DType type : {f16, bf16}) {
      check_product(cuda::gemm_wgmma, {form, 136, 264, 72, type, type});             // 256 wide, every edge ragged
      check_product(cuda::gemm_wgmma, {form, 200, 72, 328, type, f32, {.gap = 8}});  // more steps than stages
    }
}

TEST(gemm_wgmma_takes_several_tiles_in_a_block) {
  check_product(cuda::gemm_wgmma, {P::y, 520, 520, 72, f16, f16});  // 15 tiles on 4 processors
}

TEST(gemm_wgmma_in_slices_of_k) {
  for (const P::Form form : {P::dW, P::y}) {
    check_product(cuda::gemm_wgmma, {form, 136, 136, 2056, bf16, f32, {.add = true}});
    check_product(cuda::gemm_wgmma,
                  {form, 64, 72, 808, f16, f16, {.bias = true, .gelu = true}});  // 288 steps are 4.5 boxes
  }
}

TEST(gemm_wgmma_finishes_sums) {
  check_product(cuda::gemm_wgmma, {P::y, 130, 136, 64, f16, f16, {.bias = true, .gelu = true}});
  check_product(cuda::gemm_wgmma, {P::y, 130, 136, 64, bf16, f32, {.bias = true}});
  check_product(cuda::gemm_wgmma, {P::dx, 130, 136, 64, bf16, bf16, {.gelu_input = true, .gap = 3 * 8}});
  check_product(cuda::gemm_wgmma, {P::dx, 130, 136, 64, f16, f32, {.add = true}});
}

TEST(gemm_wgmma_stores_odd_rows) {  // of C alone: factors whose rows are odd are not for TMA
  check_product(cuda::gemm_wgmma, {P::y, 70, 61, 64, f16, f16, {.bias = true, .gelu = true}});
  check_product(cuda::gemm_wgmma, {P::y, 70, 61, 64, bf16, f32, {.add = true}});
}

TEST(gemm_wgmma_refuses) {
  gpu::Properties gpu;
  gpu.capability = 90, gpu.shared = 227 * 1024;
  alignas(16) static uint16_t memory[64];
  const cuda::Rows rows(memory, f16, 64);
  const cuda::Product product{
      .m = 256, .n = 256, .k = 64, .a = {rows, cuda::Factor::Across}, .b = {rows, cuda::Factor::Across}, .c = rows};
  const auto supported = [&](auto change) {
    cuda::Product p = product;
    gpu::Properties g = gpu;
    change(p, g);
    return cuda::gemm_wgmma.supports(g, p);
  };
  CHECK(supported([](auto&, auto&) {}));
  CHECK(!supported([](auto&, auto& g) { g.capability = 89; }));
  CHECK(!supported([](auto&, auto& g) { g.capability = 100; }));  // has no wgmma
  CHECK(!supported([](auto& p, auto&) { p.k = 0; }));
  CHECK(!supported([](auto& p, auto&) { p.a.rows.dtype = p.b.rows.dtype = f32; }));
  CHECK(!supported([](auto& p, auto&) { p.a.rows.stride = 68; }));
  CHECK(!supported([](auto& p, auto&) { p.b.rows.address = memory + 4; }));
  CHECK(!supported([](auto& p, auto&) { p.a.rows.stride = 32; }));  // rows overlap
  CHECK(!supported([](auto& p, auto&) { p.a.rows.period = 128, p.a.rows.batch_stride = 129 * 64; }));
  CHECK(supported([](auto& p, auto&) { p.a.rows.period = 128, p.a.rows.batch_stride = 128 * 64; }));
  CHECK(!supported([](auto& p, auto&) { p.live = reinterpret_cast<const int32_t*>(memory); }));
  CHECK(!supported([](auto& p, auto&) { p.a.direction = cuda::Factor::Along; }));
}

TEST(gemm_wgmma_race) { check_product(cuda::gemm_wgmma, {P::dx, 130, 72, 328, f16, f16, {.bias = true}}); }

}  // namespace whisper::test
