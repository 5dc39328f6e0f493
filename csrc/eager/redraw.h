// What the random ops of a recording draw: the same as when they first ran.
#pragma once

#include "eager/walk.h"

namespace backpass::eager {

// One seed and step for the whole run, and streams for each op, which those that have none are given now. Throws
// std::invalid_argument where the ops have drawn in different runs before.
Draw draw_for(Recording& recording);

}  // namespace backpass::eager
