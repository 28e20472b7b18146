// What this machine's arithmetic can do at most: the roof beside which the speed of an operation is judged.
#pragma once
#include <map>
#include <string>

#include "backend.h"

namespace whisper::cpu {

// By the dtype of the factors; see measured_roofs() in backend.h.
std::map<std::string, Roof> roofs();

}  // namespace whisper::cpu
