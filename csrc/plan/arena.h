// The arena: values that are not alive at the same time share memory.
#pragma once

#include <cstddef>
#include <vector>

namespace backpass {

struct Lifetime {
  std::size_t bytes = 0;
  int first = 0, last = 0;  // stages, both included
  std::size_t offset = 0;   // the result
};

// Gives every lifetime an offset, a multiple of 64 bytes; returns the arena's size. Largest first, lowest gap.
std::size_t place(std::vector<Lifetime*> lifetimes);

}  // namespace backpass
