// Lengths of rows that are filled up.
#pragma once

#include "backpass/tensor.h"

namespace backpass {

// 1 where a step is within the length of its row, else 0: (batch, steps), of lengths int32 (batch).
Tensor within_lengths(const Tensor& lengths, Dim steps, DType dtype);

}  // namespace backpass
