// Arrays that each turn of a loop makes anew.
#pragma once

#include "backpass/types.h"

namespace backpass {

inline constexpr std::size_t kLeastReused = std::size_t{1} << 15;  // bytes; smaller ones are as quick from the system

// Elements unset: large ones in memory of an array of that size that is gone, where there is one, because memory from
// the system comes page by page, zeroed.
Array unset_array(DType dtype, const Shape& shape);

}  // namespace backpass
