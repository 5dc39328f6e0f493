// The list of instruction sets: what each asks of the processor and the operating system, and its kernels.
#include "kernels/dispatch.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace backpass::kernels {
namespace {

bool always() { return true; }

#if defined(__x86_64__)

struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  explicit Leaf(unsigned leaf, unsigned part = 0) { __get_cpuid_count(leaf, part, &eax, &ebx, &ecx, &edx); }
};

constexpr bool has(unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; }

// Register states that the operating system saves: 0x06 is SSE and AVX, 0xe0 the masks and the wide halves, 0x60000 the
// tiles.
bool system_saves(unsigned state) {
  constexpr unsigned kOsxsave = 1u << 27;
  if (!has(Leaf(1).ecx, kOsxsave)) return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return has(low, state);
}

[[maybe_unused]] bool has_avx2() {
  constexpr unsigned kFma = 1u << 12, kAvx = 1u << 28, kAvx2 = 1u << 5;
  return system_saves(0x06) && has(Leaf(1).ecx, kFma | kAvx) && has(Leaf(7).ebx, kAvx2);
}

[[maybe_unused]] bool has_avx512() {
  constexpr unsigned kF = 1u << 16, kDq = 1u << 17, kBw = 1u << 30, kVl = 1u << 31;
  return has_avx2() && system_saves(0xe6) && has(Leaf(7).ebx, kF | kDq | kBw | kVl);
}

// Palette 1 is told by the second part of leaf 0x1d: 1024 bytes in each tile, 64 in each row; 8 tiles, 16 rows.
[[maybe_unused]] bool has_amx() {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  if (!has_avx512() || !system_saves(0x600e6) || !has(Leaf(7).edx, kBf16 | kTile) || Leaf(0x1d).eax < 1) return false;
  const Leaf palette(0x1d, 1);
  return palette.eax >> 16 == 1024 && (palette.ebx & 0xffff) == 64 && palette.ebx >> 16 >= 8 &&
         (palette.ecx & 0xffff) == 16;
}

#endif

// Slowest first. isa.cmake says which of them this build has.
constexpr InstructionSet kCompiled[] = {
    {"scalar", always, scalar_tables},
#ifdef BACKPASS_ISA_NEON
    {"neon", always, neon_tables},
#endif
#ifdef BACKPASS_ISA_AVX2
    {"avx2", has_avx2, avx2_tables},  // AVX2 and FMA
#endif
#ifdef BACKPASS_ISA_AVX512
    {"avx512", has_avx512, avx512_tables},  // AVX-512 F, DQ, BW and VL
#endif
#ifdef BACKPASS_ISA_AMX
    {"amx", has_amx, amx_tables},  // AMX tiles and bfloat16; their use needs a permission: see amx_permission.h
#endif
};

}  // namespace

std::span<const InstructionSet> compiled_isas() { return kCompiled; }

}  // namespace backpass::kernels
