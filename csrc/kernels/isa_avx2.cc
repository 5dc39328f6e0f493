// The kernels compiled for AVX2 and FMA.
#include "kernels/blocks.h"
#include "kernels/vec_avx2.h"

namespace backpass::kernels {
namespace {

template <>
struct Blocks<float> : BlockSizes<6, 2, 12, 4, 3, 256> {};
template <>
struct Blocks<double> : BlockSizes<6, 2, 12, 4, 3, 256> {};

}  // namespace
}  // namespace backpass::kernels

#include "kernels/table-inl.h"

namespace backpass::kernels {

const Tables& avx2_tables() noexcept { return kTables; }

}  // namespace backpass::kernels
