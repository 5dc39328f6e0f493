// When a product is computed from split operands, on tiles.
#pragma once

#include <optional>

#include "backpass/types.h"
#include "kernels/table.h"

namespace backpass::kernels {

// The path of split operands that is accurate enough for `precision` ("highest" six products, "high" three, "medium"
// one), where a cost model finds it faster than FMA for blocks of this shape.
std::optional<MatmulPath> cheapest_split(Precision precision, Size m, Size n, Size k);

// The same, on a machine that can: without tiles, or leave to use them, there is none.
template <class T>
std::optional<MatmulPath> choose_split_path(const Kernels<T>& kernels, Precision precision, Size m, Size n, Size k);

// Why "high" and "medium" are computed as "highest" with these kernels; empty where they need not be.
std::string why_not_split(const Kernels<float>& kernels);

}  // namespace backpass::kernels
