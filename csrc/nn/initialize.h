// First values of parameters.
#pragma once

#include <cstddef>

#include "backpass/graph.h"

namespace backpass {

// Fills `values` (of the shape and type given) from stream `index` of the seed. A matrix is (fan_out, fan_in).
void initialize(void* values, const Shape& shape, DType dtype, const Initializer& initializer, std::uint64_t seed,
                std::uint32_t index);

// In place of one written by hand that was not saved: zeros, which saved values replace.
Initializer forgotten_initializer(double gain);
bool is_forgotten(const Initializer& initializer);

}  // namespace backpass
