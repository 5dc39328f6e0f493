// Leave to use the tiles of AMX, and a product that shows that they work.
#include "kernels/amx_permission.h"

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/dispatch.h"

#if defined(__x86_64__) && defined(__linux__)
#include <syscall.h>
#include <unistd.h>
#endif

namespace backpass::kernels {
namespace {

bool tiles_are_here() { return find_isa("amx") != nullptr; }

#if defined(__x86_64__) && defined(__linux__)
// Refused by a kernel that does not know the request, by a filter of system calls, and (ENOSPC) where a thread has an
// alternate signal stack that is too small for the registers.
bool request_tiles() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, the number of the state
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}
bool products_are_right() { return split_products_are_right(table<float>(find_isa("amx"))); }
#else
bool request_tiles() { return false; }
bool products_are_right() { return false; }
#endif

// Numbers in [-1, 1) that use all bits of a float.
std::vector<float> known_numbers(Size count, std::uint32_t state) {
  std::vector<float> numbers;
  for (Size i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    numbers.push_back(static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f);
  }
  return numbers;
}

// Whether no component of a product on this path is off by more than `bound` of the sum of its terms' magnitudes.
bool product_is_right(const Kernels<float>& kernels, MatmulPath path, double bound) {
  constexpr Size m = 49, n = 39, k = 70;
  const std::vector<float> a = known_numbers(m * k, 1), b = known_numbers(k * n, 2);
  std::vector<float> c(m * n), buffer(static_cast<std::size_t>(matmul_scratch(kernels, path, m, n, k)) + 16);
  float* scratch = buffer.data();
  while (reinterpret_cast<std::uintptr_t>(scratch) % 64 != 0) ++scratch;
  kernels.matmul({c.data(), n, a.data(), k, 1, b.data(), n, 1, m, n, k, path, scratch});
  for (std::size_t e = 0; e < c.size(); ++e) {
    double sum = 0, size = 0;
    for (std::size_t p = 0; p < k; ++p) {
      const double term = static_cast<double>(a[e / n * k + p]) * b[p * n + e % n];
      sum += term;
      size += std::fabs(term);
    }
    if (!(std::fabs(c[e] - sum) <= bound * size)) return false;
  }
  return true;
}

}  // namespace

bool split_products_are_right(const Kernels<float>& kernels) {
  return product_is_right(kernels, MatmulPath::split1, 0x1p-6) &&
         product_is_right(kernels, MatmulPath::split3, 0x1p-14) &&
         product_is_right(kernels, MatmulPath::split6, 0x1p-21);
}

bool amx_works(const AmxProbes& probes) { return probes.offered() && probes.permitted() && probes.correct(); }

bool amx_permitted() {
  static const bool works = amx_works({&tiles_are_here, &request_tiles, &products_are_right});
  return works;
}

}  // namespace backpass::kernels
