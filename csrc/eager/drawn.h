// Random numbers of recordings: a tensor is drawn once, when somebody first needs it.
#pragma once

#include "graph/recorded.h"

namespace backpass::eager {

// Gives a random op its numbers if it has none; of other ops, does nothing.
void draw(const Tensor& t);

}  // namespace backpass::eager
