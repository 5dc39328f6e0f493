// When each call runs, and where each value lies.
#include <algorithm>

#include "plan/compile/lowering.h"

namespace backpass {

// A call runs one stage after the last that writes what it reads, or in that stage where both walk in lanes and a lane
// reads its own rows only; what writes over a value after its readers; an update after everything, and so do calls that
// are made again, or what they make would lie there for long; and, where phases are run apart, no stage holds two of
// them.
void Lowering::set_stages() {
  std::vector<int> made(plan_.values_.size(), 0);          // the stage after which a value is there
  std::vector<int> read(plan_.values_.size(), 0);          // the stage after which nobody reads it, so far
  std::vector<bool> by_lane(plan_.values_.size(), false);  // its rows are there before
  int last = 0, floor = 0, open = 0;
  Phase phase = Phase::forward;
  bool again = false;
  std::vector<Call*> late;  // until the call that needs them has a stage
  const auto earliest = [&](const Call& call, int stage) {
    for (int value : call.reads) {
      const auto v = static_cast<std::size_t>(value);
      const bool own_rows = by_lane[v] && call.keeps_to_rows_of(value);
      stage = std::max(stage, made[v] - (own_rows ? 1 : 0));
    }
    for (int value : call.over) stage = std::max(stage, read[static_cast<std::size_t>(value)]);
    return stage;
  };
  const auto put = [&](Call& call, int stage) {
    call.stage = stage;
    last = std::max(last, stage + 1);
    for (int value : call.reads) {
      int& end = read[static_cast<std::size_t>(value)];
      end = std::max(end, stage + 1);
    }
    for (int value : call.writes) {
      made[static_cast<std::size_t>(value)] = stage + 1;
      by_lane[static_cast<std::size_t>(value)] = !spec_.compact && call.keeps_to_rows_of(value);
    }
  };
  for (CallPtr& call : plan_.calls_) {
    if (call->late) {
      late.push_back(call.get());
      continue;
    }
    const bool apart = (spec_.separate_phases && call->phase != phase) || (call->again && !again);
    if (call->phase == Phase::update || apart || call->alone || call->waits) floor = last;
    phase = call->phase;
    again = call->again;
    int stage = earliest(*call, floor);
    for (Call* before : late) {
      put(*before, earliest(*before, std::max(stage - 1, open)));
      stage = std::max(stage, before->stage + 1);
    }
    late.clear();
    put(*call, stage);
    if (call->alone) floor = open = last;
  }
  std::stable_sort(plan_.calls_.begin(), plan_.calls_.end(),
                   [](const CallPtr& a, const CallPtr& b) { return a->stage < b->stage; });
}

void Lowering::place_values() {
  const std::vector<int> home = share_within_lanes();
  std::vector<bool> seen(plan_.values_.size(), false);
  const auto touch = [&](int value, int stage) {
    Lifetime& life = plan_.values_[static_cast<std::size_t>(value)].life;
    life.first = seen[static_cast<std::size_t>(value)] ? std::min(life.first, stage) : stage;
    life.last = seen[static_cast<std::size_t>(value)] ? std::max(life.last, stage) : stage;
    seen[static_cast<std::size_t>(value)] = true;
  };
  for (const CallPtr& call : plan_.calls_) {
    for (int value : call->reads) touch(value, call->stage);
    for (int value : call->writes) touch(value, call->stage);
  }
  const int end = plan_.calls_.empty() ? 0 : plan_.calls_.back()->stage;
  for (int value : plan_.outputs_) touch(value, end);
  if (plan_.guard_ >= 0) touch(plan_.guard_, end);
  std::vector<Lifetime*> lifetimes;
  for (std::size_t i = 0; i < plan_.values_.size(); ++i)
    if (plan_.values_[i].slot == kArena && seen[i] && home[i] == static_cast<int>(i))
      lifetimes.push_back(&plan_.values_[i].life);
  plan_.arena_bytes_ = place(lifetimes);
  for (std::size_t i = 0; i < plan_.values_.size(); ++i)
    plan_.values_[i].life.offset = plan_.values_[static_cast<std::size_t>(home[i])].life.offset;
}

}  // namespace backpass
