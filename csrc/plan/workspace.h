// What running plans needs beside them: an arena, and the few plans compiled last.
#pragma once

#include <algorithm>

#include "kernels/dispatch.h"
#include "plan/plan.h"

namespace backpass {

// Everything that a plan depends on beyond the graph it was compiled from.
struct PlanKey {
  Dim batch = 0;
  int variant = 0;          // the owner's: training, labels, weights, ...
  int freezes = 0;          // of the network
  std::uint64_t owner = 0;  // whose it is alone, where several share a workspace; 0: everybody's
  std::uint64_t form = 0;   // of data whose shapes and types the graph does not tell
  kernels::Isa isa = {};
  bool cut = true;
  bool operator==(const PlanKey&) const = default;
};

PlanKey plan_key(Dim batch, int variant, int freezes = 0, std::uint64_t owner = 0, std::uint64_t form = 0);

class Workspace {
 public:
  // The plan of a key, compiled by `compile` (which returns a std::unique_ptr) where it is not among the last few. The
  // arena fits it.
  template <class Compile>
  Plan& plan(const PlanKey& key, Compile compile) {
    for (std::size_t i = 0; i < plans_.size(); ++i)
      if (plans_[i].first == key) return use(i);
    if (plans_.size() == kPlans) plans_.erase(plans_.begin());
    plans_.emplace_back(key, compile());
    return use(plans_.size() - 1);
  }
  std::byte* arena() const { return arena_.data(); }

 private:
  static constexpr std::size_t kPlans = 8;

  // Moves the plan to the end: the least recently used one goes first.
  Plan& use(std::size_t i) {
    if (i + 1 != plans_.size())
      std::rotate(plans_.begin() + static_cast<std::ptrdiff_t>(i), plans_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                  plans_.end());
    Plan& plan = *plans_.back().second;
    arena_.reserve(plan.arena_bytes());
    return plan;
  }

  std::vector<std::pair<PlanKey, std::unique_ptr<Plan>>> plans_;
  AlignedBuffer arena_;
};

}  // namespace backpass
