// What losses share: checks, and means of one value per row or per element.
#pragma once

#include "backpass/losses.h"

namespace backpass {

// Throws std::invalid_argument where the target's shape is not the expected one.
void check_target(const char* who, const Shape& expected, const Tensor& target);

// The sum of per_row over the sum of what the rows weigh; 0 where they weigh nothing.
Tensor over_weights(const Tensor& per_row, const Tensor& weight);
// The mean of one value per row, or the weighted mean.
Tensor over_rows(const Tensor& per_row, const Tensor& weight);
// The mean of one value per element; weights are those of rows.
Tensor over_elements(const Tensor& each, const Tensor& weight);
std::vector<Dim> all_but_rows(const Tensor& x);

// A number as a tensor of x's type.
inline Tensor like(const Tensor& x, double value) { return constant(value, {}, x.dtype()); }

}  // namespace backpass
