// The tables that each instruction set's object exports: the only symbol it does. isas.cc lists them.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {

// Of split operands: rows of a tile; rows and depth that are packed at a time, so that three parts of them stay in L2;
// 32-bit words of one part of a panel of B, two tiles wide.
inline constexpr Size kTile = 16, kSplitRows = 256, kSplitDepth = 512, kSplitPanel = 2 * kTile * kSplitDepth / 2;

struct Tables {
  Kernels<float> float32;
  Kernels<double> float64;
};

const Tables& scalar_tables() noexcept;
const Tables& neon_tables() noexcept;
const Tables& avx2_tables() noexcept;
const Tables& avx512_tables() noexcept;
const Tables& amx_tables() noexcept;

}  // namespace backpass::kernels
