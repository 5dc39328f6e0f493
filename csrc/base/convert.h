// Casting a row of somebody else's elements to ours.
#pragma once

#include "backpass/types.h"

namespace backpass {

// Truth values are none.
bool is_integer(ElementType type) noexcept;

// out[i] = a[i] cast to dtype, for n elements. What is beyond int32 becomes its nearest end.
void convert(void* out, DType dtype, const void* a, ElementType type, Dim n) noexcept;

enum class Finite : unsigned char { yes, non_finite, overflows };

// Whether a row is finite, and stays so when cast to dtype.
Finite check_finite(const void* a, ElementType type, DType dtype, Dim n) noexcept;

// Whether a finite number of a row becomes infinite when cast to dtype, or is beyond int32.
bool overflows(const void* a, ElementType type, DType dtype, Dim n) noexcept;

}  // namespace backpass
