// Which instruction sets this build and this machine have, and the table of the one in use.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/isa.h"

namespace backpass::kernels {

struct InstructionSet {
  const char* name;
  bool (*supported)();  // here, now
  const Tables& (*tables)() noexcept;
};
using Isa = const InstructionSet*;  // of compiled_isas(): equal where it is the same

std::span<const InstructionSet> compiled_isas();  // slowest first
inline const char* name(Isa isa) { return isa->name; }
std::vector<Isa> available_isas();       // compiled in and supported here, slowest first
Isa find_isa(std::string_view name);     // of those; null where it is none
Isa parse_isa(const std::string& name);  // throws std::invalid_argument that lists what is available

// The best available one, or BACKPASS_ISA where set (an unknown or unsupported name throws at first use), or set_isa's.
Isa current_isa();
void set_isa(Isa isa);

template <class T>
const Kernels<T>& table(Isa isa);  // float and double

}  // namespace backpass::kernels
