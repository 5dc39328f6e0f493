// The kernels compiled for the baseline of the architecture.
#include "kernels/blocks.h"
#include "kernels/vec_scalar.h"

namespace backpass::kernels {
namespace {

template <>
struct Blocks<float> : BlockSizes<4, 4, 8, 4, 4, 256> {};
template <>
struct Blocks<double> : BlockSizes<4, 4, 8, 4, 4, 256> {};

}  // namespace
}  // namespace backpass::kernels

#include "kernels/table-inl.h"

namespace backpass::kernels {

const Tables& scalar_tables() noexcept { return kTables; }

}  // namespace backpass::kernels
