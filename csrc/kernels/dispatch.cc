// The choice of an instruction set: BACKPASS_ISA, set_isa, or the best that is available.
#include "kernels/dispatch.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <type_traits>

#include "kernels/cpu.h"
#include "kernels/isa.h"

namespace backpass::kernels {
namespace {

constexpr int kUnset = -1;
std::atomic<int> chosen{kUnset};

const Tables& tables([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx2) return avx2_tables();
  if (isa == Isa::avx512) return avx512_tables();
  if (isa == Isa::amx) {
    static const Tables amx = amx_tables();
    return amx;
  }
#elif defined(__aarch64__)
  if (isa == Isa::neon) return neon_tables();
#endif
  return scalar_tables();
}

bool available(Isa isa) {
  for (Isa other : available_isas()) {
    if (other == isa) return true;
  }
  return false;
}

[[noreturn]] void unknown(const std::string& text) {
  std::string message = "[isa] unknown \"" + text + "\"; available: ";
  const char* separator = "";
  for (Isa isa : available_isas()) {
    message += separator;
    message += name(isa);
    separator = ", ";
  }
  throw std::invalid_argument(message);
}

Isa initial_isa() {
  const char* wanted = std::getenv("BACKPASS_ISA");
  return wanted && *wanted ? parse_isa(wanted) : available_isas().back();
}

}  // namespace

const char* name(Isa isa) {
  switch (isa) {
    case Isa::scalar:
      return "scalar";
    case Isa::neon:
      return "neon";
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::amx:
      return "amx";
  }
  return "unknown";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas{Isa::scalar};
#if defined(__aarch64__)
  isas.push_back(Isa::neon);
#endif
  if (cpu_has_avx2()) isas.push_back(Isa::avx2);
  if (cpu_has_avx512()) isas.push_back(Isa::avx512);
  if (cpu_has_amx()) isas.push_back(Isa::amx);
  return isas;
}

Isa parse_isa(const std::string& text) {
  for (Isa isa : available_isas()) {
    if (text == name(isa)) return isa;
  }
  unknown(text);
}

// Threads that race here choose the same; set_isa's choice is never overwritten.
Isa current_isa() {
  int isa = chosen.load(std::memory_order_relaxed);
  if (isa == kUnset) {
    const int first = static_cast<int>(initial_isa());
    if (chosen.compare_exchange_strong(isa, first)) isa = first;
  }
  return static_cast<Isa>(isa);
}

void set_isa(Isa isa) {
  if (!available(isa)) unknown(name(isa));
  chosen.store(static_cast<int>(isa), std::memory_order_relaxed);
}

template <class T>
const Kernels<T>& table(Isa isa) {
  if constexpr (std::is_same_v<T, float>)
    return tables(isa).float32;
  else
    return tables(isa).float64;
}

template const Kernels<float>& table<float>(Isa isa);
template const Kernels<double>& table<double>(Isa isa);

}  // namespace backpass::kernels
