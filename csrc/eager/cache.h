// The cache in which a recording of the same structure finds its plan.
#pragma once

#include "eager/compiled.h"

namespace backpass::eager {

// Compiled now where there is none: numbers that have differed once are arguments from then on.
std::shared_ptr<const Compiled> find_compiled(const Recording& recording, const GradientWish* wish);

}  // namespace backpass::eager
