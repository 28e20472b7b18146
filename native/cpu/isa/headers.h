// Everything a kernel may include, so that it is all compiled for the baseline before an instruction set is raised.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#include "core/nearest_code.h"
#include "cpu/amx.h"
#include "cpu/kernels.h"
#include "cpu/kernels/floats.h"
