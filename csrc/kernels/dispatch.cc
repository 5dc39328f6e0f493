// The choice of an instruction set: BACKPASS_ISA, set_isa, or the best that is available.
#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <type_traits>

namespace backpass::kernels {
namespace {

std::atomic<Isa> chosen{nullptr};

Isa initial_isa() {
  const char* wanted = std::getenv("BACKPASS_ISA");
  return wanted && *wanted ? parse_isa(wanted) : available_isas().back();
}

}  // namespace

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  for (const InstructionSet& isa : compiled_isas())
    if (isa.supported()) isas.push_back(&isa);
  return isas;
}

Isa find_isa(std::string_view wanted) {
  for (const Isa isa : available_isas())
    if (wanted == isa->name) return isa;
  return nullptr;
}

Isa parse_isa(const std::string& wanted) {
  if (const Isa isa = find_isa(wanted)) return isa;
  std::string message = "[isa] unknown \"" + wanted + "\"; available: ";
  const char* separator = "";
  for (const Isa isa : available_isas()) {
    message += separator;
    message += isa->name;
    separator = ", ";
  }
  throw std::invalid_argument(message);
}

// Threads that race here choose the same; set_isa's choice is never overwritten.
Isa current_isa() {
  Isa isa = chosen.load(std::memory_order_relaxed);
  if (isa == nullptr) {
    const Isa first = initial_isa();
    if (chosen.compare_exchange_strong(isa, first)) isa = first;
  }
  return isa;
}

void set_isa(Isa isa) { chosen.store(isa, std::memory_order_relaxed); }

template <class T>
const Kernels<T>& table(Isa isa) {
  if constexpr (std::is_same_v<T, float>)
    return isa->tables().float32;
  else
    return isa->tables().float64;
}

template const Kernels<float>& table<float>(Isa isa);
template const Kernels<double>& table<double>(Isa isa);

}  // namespace backpass::kernels
