// Placing lifetimes: greedy, after size.
#include "plan/arena.h"

#include <algorithm>

#include "base/aligned.h"
#include "base/sizes.h"

namespace backpass {

std::size_t place(std::vector<Lifetime*> lifetimes) {
  std::stable_sort(lifetimes.begin(), lifetimes.end(),
                   [](const Lifetime* a, const Lifetime* b) { return a->bytes > b->bytes; });
  std::vector<Lifetime*> placed;  // by offset
  std::size_t size = 0;
  for (Lifetime* value : lifetimes) {
    const std::size_t bytes = round_up(std::max<std::size_t>(value->bytes, 1));
    std::size_t offset = 0;
    for (const Lifetime* other : placed) {
      if (other->last < value->first || other->first > value->last) continue;
      if (other->offset >= offset + bytes) break;
      offset = std::max(offset, other->offset + round_up(std::max<std::size_t>(other->bytes, 1)));
    }
    value->offset = offset;
    size = std::max(size, sum_of_sizes(offset, bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), value,
                                   [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; }),
                  value);
  }
  return size;
}

}  // namespace backpass
