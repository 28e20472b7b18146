// What environment variables ask of the CUDA back end. Each is 0 or 1; another value throws InvalidArgument.
#pragma once

namespace whisper::gpu {

// WHISPER_TUNE_CUDA_SYNC: the host waits for each operation, so that an error names the one that made it.
bool waits_for_each_operation();

// WHISPER_TUNE_CUDA_GRAPHS: a training step, and each step of decoding, is queued as a CUDA graph.
bool uses_graphs();

}  // namespace whisper::gpu
