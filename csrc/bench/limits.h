// What a machine can do at most, measured.
#pragma once

#include <backpass/types.h>

#include <cstdint>

namespace backpass::bench {

// Floating-point operations per second of multiply-adds on registers, with the vectors of isa().
double fma_peak(DType dtype, double seconds, int threads);
// Bytes per second of a = b + s c, where the three arrays of each thread take `bytes` (McCalpin 1995).
double triad_bandwidth(std::int64_t bytes, double seconds, int threads);

}  // namespace backpass::bench
