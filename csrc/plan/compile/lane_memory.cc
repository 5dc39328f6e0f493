// Where values lie that live within one stage of lanes.
#include <algorithm>
#include <numeric>

#include "plan/compile/lowering.h"

namespace backpass {

Lowering::LaneUse Lowering::lane_use() const {
  const std::size_t n = plan_.values_.size();
  LaneUse use{std::vector<bool>(n), std::vector<int>(n, -1)};
  std::vector<int> made(n, -1);
  for (std::size_t v = 0; v < n; ++v) use.inner[v] = plan_.values_[v].slot == kArena;
  for (int value : plan_.outputs_) use.inner[static_cast<std::size_t>(value)] = false;
  for (std::size_t c = 0; c < plan_.calls_.size(); ++c) {
    const Call& call = *plan_.calls_[c];
    for (int value : call.writes) made[static_cast<std::size_t>(value)] = call.stage;
    for (const std::vector<int>* list : {&call.reads, &call.writes})
      for (int value : *list) {
        const auto v = static_cast<std::size_t>(value);
        use.inner[v] = use.inner[v] && call.keeps_to_rows_of(value) && made[v] == call.stage;
        use.last_use[v] = static_cast<int>(c);
      }
  }
  return use;
}

// Which value each one lies in: an inner one where another of the same size lay that its lanes need no longer. Rows lie
// where the same rows lay, so no lane meets another.
std::vector<int> Lowering::share_within_lanes() const {
  const LaneUse use = lane_use();
  std::vector<int> home(plan_.values_.size()), free;
  std::iota(home.begin(), home.end(), 0);
  const auto bytes = [&](int value) { return plan_.values_[static_cast<std::size_t>(value)].life.bytes; };
  for (std::size_t c = 0; c < plan_.calls_.size(); ++c) {
    const Call& call = *plan_.calls_[c];
    if (c > 0 && plan_.calls_[c - 1]->stage != call.stage) free.clear();
    for (int value : call.writes) {
      if (!use.inner[static_cast<std::size_t>(value)]) continue;
      const auto found = std::ranges::find_if(free, [&](int other) { return bytes(other) == bytes(value); });
      if (found == free.end()) continue;
      home[static_cast<std::size_t>(value)] = *found;
      free.erase(found);
    }
    for (const std::vector<int>* list : {&call.reads, &call.writes})
      for (int value : *list)
        if (const auto v = static_cast<std::size_t>(value); use.inner[v] && use.last_use[v] == static_cast<int>(c))
          free.push_back(home[v]);
  }
  return home;
}

}  // namespace backpass
