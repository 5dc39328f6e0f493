// Arrays at the boundary of plans.
#pragma once

#include "plan/plan.h"

namespace backpass {

RowSource row_source(const ArrayView& view);
// Throws std::invalid_argument `[who] expected shape ..., got ..., for ...`; the number of rows.
// Throws where a view has a shape that holds something, and no memory.
void check_present(const std::string& who, const ArrayView& view);
Dim check_shape(const std::string& who, const ArrayView& view, const Shape& expected, const std::string& whom = {});
// Throws std::invalid_argument where a number would not stay what it is: too large for float32 or int32, a fraction.
void check_castable(const std::string& who, const ArrayView& view, DType dtype);
Dim first_too_large(const ArrayView& view, DType dtype);  // the first row with a number that is; -1 where there is none

}  // namespace backpass
