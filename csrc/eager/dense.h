// Arrays of callers as our own.
#pragma once

#include "backpass/types.h"

namespace backpass::eager {

// A dense copy in a type of ours. Throws std::invalid_argument where a number would not stay what it is.
Array dense(const char* who, const ArrayView& view, DType dtype);

}  // namespace backpass::eager
