// Running recordings.
#pragma once

#include "eager/places.h"

namespace backpass::eager {

// Computes what is wanted; states move, and gradients of parameters are added where they live.
Results run(Recording& recording, const GradientWish* gradients);

}  // namespace backpass::eager
