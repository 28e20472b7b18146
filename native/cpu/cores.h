// How many threads this process should compute with.
#pragma once

namespace whisper::cpu {

// Physical cores that the affinity mask allows, but no more than the whole cores of the cgroup's CPU quota, and at
// least one. A second hardware thread of a core adds nothing to loops that keep the vector units busy.
int usable_cores();

}  // namespace whisper::cpu
