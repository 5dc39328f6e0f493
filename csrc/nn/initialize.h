// First values of parameters.
#pragma once

#include <cstddef>

#include "backpass/graph.h"

namespace backpass {

// Fills `values` (of the shape and type given) from stream `index` of the seed. A matrix is (fan_out, fan_in).
void initialize(void* values, const Shape& shape, DType dtype, const Initializer& initializer, std::uint64_t seed,
                std::uint32_t index);

}  // namespace backpass
