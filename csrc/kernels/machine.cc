// The instruction-set part of machine.h.
#include "backpass/machine.h"

#include "kernels/dispatch.h"
#include "kernels/split_path.h"

namespace backpass {

const char* version() { return BACKPASS_VERSION; }

std::string isa() { return kernels::name(kernels::current_isa()); }

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (kernels::Isa isa : kernels::available_isas()) names.emplace_back(kernels::name(isa));
  return names;
}

void set_isa(const std::string& name) { kernels::set_isa(kernels::parse_isa(name)); }

std::string reduced_precision_gap() { return kernels::why_not_split(kernels::table<float>(kernels::current_isa())); }

}  // namespace backpass
