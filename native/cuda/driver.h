// What the NVIDIA driver says of itself, in words for whoever has to mend it.
#pragma once
#include <istream>
#include <string>

namespace whisper::gpu {

// The lowest compute capability that the kernels can be compiled for: 8.0, which came with the copies and the matrix
// instructions they are made of.
constexpr int least_capability = 80;

// "580.65.06" from the text of /proc/driver/nvidia/version; empty where it has none.
std::string driver_release(std::istream& version);

// "8.0" of 80.
std::string dotted(int capability);

// Of a GPU that is older than that.
std::string too_old(const std::string& name, int capability);

// Why there is no GPU, and the remedy. cuda: the version that the driver serves, 0 without a driver; needed: that of
// the runtime in this binary, both as 13000 for 13.0; release: of the driver, empty if it is not known; error: what the
// driver said when it was asked for its GPUs, empty if it gave none.
std::string why_no_gpu(int cuda, int needed, const std::string& release, const std::string& error);

}  // namespace whisper::gpu
