// The kernels compiled for AVX-512 (F, DQ, BW, VL).
#include "kernels/blocks.h"
#include "kernels/vec_avx512.h"

namespace backpass::kernels {
namespace {

template <>
struct Blocks<float> : BlockSizes<14, 2, 14, 6, 4, 256> {};
template <>
struct Blocks<double> : BlockSizes<14, 2, 14, 6, 4, 256> {};

}  // namespace
}  // namespace backpass::kernels

#include "kernels/table-inl.h"

namespace backpass::kernels {

const Tables& avx512_tables() noexcept { return kTables; }

}  // namespace backpass::kernels
