// Products by warpgroups in a build without code for sm_90a, as gemm_wgmma.cu makes them there: there are none.
#include "cuda/gemm_candidates.h"

namespace whisper::cuda {

const GemmCandidate gemm_wgmma{"wgmma", [](const gpu::Properties&, const Product&) { return false; }, nullptr};

}  // namespace whisper::cuda
