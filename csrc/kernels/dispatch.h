// Which instruction sets this build and this machine have, and the table of the one in use.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace backpass::kernels {

enum class Isa : unsigned char { scalar, neon, avx2, avx512, amx };

const char* name(Isa isa);               // "scalar", "neon", "avx2", "avx512", "amx"
std::vector<Isa> available_isas();       // compiled in and supported here, slowest first
Isa parse_isa(const std::string& name);  // throws std::invalid_argument that lists what is available

// The best available one, or BACKPASS_ISA where set (an unknown or unsupported name throws at first use), or set_isa's.
Isa current_isa();
void set_isa(Isa isa);

template <class T>
const Kernels<T>& table(Isa isa);  // float and double

}  // namespace backpass::kernels
