// The tables that each instruction set's object exports: the only symbol it does.
#pragma once

#include "kernels/table.h"

namespace backpass::kernels {

inline constexpr Size kBlockRows = 768;  // mc: rows of A that are packed at a time

struct Tables {
  Kernels<float> float32;
  Kernels<double> float64;
};

const Tables& scalar_tables() noexcept;
const Tables& neon_tables() noexcept;
const Tables& avx2_tables() noexcept;
const Tables& avx512_tables() noexcept;

}  // namespace backpass::kernels
