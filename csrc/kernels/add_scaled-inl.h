// A multiple of one row added to another, in float64: what dense decompositions are made of; compiled per instruction
// set.
#pragma once

#include "kernels/update-inl.h"

namespace backpass::kernels {
namespace {

inline void add_scaled(double* y, const double* x, double factor, Size n) noexcept {
  const Vec<double> f = broadcast(factor);
  sweep<double>(n, [=](Size i, auto read, auto write) { write(y + i, fma(f, read(x + i), read(y + i))); });
}

}  // namespace
}  // namespace backpass::kernels
