// Arrays at the boundary of plans.
#pragma once

#include "plan/call.h"

namespace backpass {

RowSource row_source(const ArrayView& view);
// Throws std::invalid_argument `[who] expected shape ..., got ...`; the number of rows.
Dim check_shape(const std::string& who, const ArrayView& view, const Shape& expected);

}  // namespace backpass
