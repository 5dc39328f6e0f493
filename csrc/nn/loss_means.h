// What losses share: checks, and means of one value per row or per element.
#pragma once

#include "backpass/losses.h"

namespace backpass {

// Throws std::invalid_argument where the target's shape is not the expected one.
void check_target(const char* who, const Shape& expected, const Tensor& target);

// Weights count relative to each other alone, so they need not be near the limits of a type, where their products are
// lost: 1e-30 to 1e30 in float32, 1e-290 to 1e290 in float64, or 0.
bool weight_fits(double weight, DType dtype);
std::string out_of_range(DType dtype);  // what to say of one, and then what it is
inline constexpr const char* kScaleWeights = "; only ratios of weights count: divide all of them by the largest";

// The sum of per_row over the sum of what the rows weigh; 0 where they weigh nothing.
Tensor over_weights(const Tensor& per_row, const Tensor& weight);
// The mean of one value per row, or the weighted mean.
Tensor over_rows(const Tensor& per_row, const Tensor& weight);
// The mean of one value per element; weights are those of rows.
Tensor over_elements(const Tensor& each, const Tensor& weight);
std::vector<Dim> all_but_rows(const Tensor& x);

// x where y is positive, else 0, times y: a term of probability 0 adds nothing, be it infinite.
Tensor expected(const Tensor& y, const Tensor& x);
// What rows (batch) weigh, for each of their positions: of shape (batch, ...).
Tensor of_positions(const Tensor& weight, const Shape& positions);
// x in the rows or positions that weigh something, else 0: what does not count is not computed with.
Tensor counted(const Tensor& x, const Tensor& weight);

// A number as a tensor of x's type.
inline Tensor like(const Tensor& x, double value) { return constant(value, {}, x.dtype()); }

}  // namespace backpass
