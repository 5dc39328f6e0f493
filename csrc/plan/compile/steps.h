// How many elements apart those of a tensor lie in its root, along each of its axes: 0 where they are repeated.
#pragma once

#include "plan/compile/source.h"

namespace backpass {

Shape dense_steps(const Shape& shape);
// The source of a tensor of shape `all` whose elements lie at such steps in `root`.
Source covering(const Tensor& root, const Shape& all, const Shape& steps);
// The steps of a tensor of this space and shape, whose source is no constant; nothing where an axis has no one step.
std::optional<Shape> axis_steps(const Source& source, const Space& space, const Shape& shape);
// Whether a kernel reads matrices (..., rows, cols) at such steps as quickly as dense ones: along one side they lie
// side by side, and no element is read twice.
bool reads_well(const Shape& shape, const Shape& steps);

}  // namespace backpass
