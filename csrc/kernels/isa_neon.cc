// The kernels compiled for NEON, which every AArch64 machine has.
#include "kernels/blocks.h"
#include "kernels/vec_neon.h"

namespace backpass::kernels {
namespace {

template <>
struct Blocks<float> : BlockSizes<8, 3, 16, 5, 4, 256> {};
template <>
struct Blocks<double> : BlockSizes<8, 3, 16, 5, 4, 256> {};

}  // namespace
}  // namespace backpass::kernels

#include "kernels/table-inl.h"

namespace backpass::kernels {

const Tables& neon_tables() noexcept { return kTables; }

}  // namespace backpass::kernels
