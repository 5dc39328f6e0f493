// From a spec to a plan: lowering, then stages with their tasks.
#include <algorithm>
#include <utility>

#include "graph/reach.h"
#include "kernels/dispatch.h"
#include "plan/compile/lowering.h"
#include "plan/workers/sharing.h"

namespace backpass {
namespace {

constexpr double kLongRun = 2e6;  // nanoseconds by the cost model, from which a run asks whether it shall end

}  // namespace

void mark_phase(PlanSpec& spec, const std::vector<Tensor>& tensors, Phase phase) {
  for (const Tensor& t : reachable(tensors)) spec.phases.emplace(&t.op(), phase);
}

Plan::Plan(const PlanSpec& spec) : dtype_(spec.dtype), batch_(spec.batch), isa_(kernels::name(kernels::current_isa())) {
  Lowering(*this, spec).run();
  finish_compiling();
}

std::unique_ptr<Plan> compile(PlanSpec spec) {
  constexpr double kWorth = 0.9;
  spec.compact = spec.recompute || spec.narrow;
  const auto narrow = std::exchange(spec.narrow, {});
  const bool recompute = std::exchange(spec.recompute, false);
  auto plan = std::make_unique<Plan>(spec);
  const auto take = [&](const auto& asked, auto& option) {
    if (!asked) return;
    option = asked;
    auto with = std::make_unique<Plan>(spec);
    if (static_cast<double>(with->arena_bytes()) < kWorth * static_cast<double>(plan->arena_bytes()))
      plan = std::move(with);
    else
      option = {};
  };
  take(narrow, spec.narrow);  // first: whether something is rounded shall not depend on recomputation
  take(recompute, spec.recompute);
  return plan;
}

// Stages with their tasks in order, and whether sharing them pays.
void Plan::finish_compiling() {
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = *calls_[i];
    if (stages_.empty() || calls_[stages_.back().begin]->stage != call.stage)
      stages_.push_back({.begin = i, .phase = call.phase});
    Stage& stage = stages_.back();
    stage.end = i + 1;
    stage.guarded = stage.guarded || call.phase == Phase::update || call.waits;
    stage.gathers = (stage.begin == i || stage.gathers) && may_stay(call);
    if (call.may_fail) fallible_.push_back(i);
    if (call.keeps) keeping_.push_back(i);
    if (call.in_lanes) stage.lanes.push_back(i);
    scratch_bytes_ = std::max(scratch_bytes_, round_up(call.scratch_bytes));
  }
  while (outputs_in_arena_ < outputs_.size() && output(outputs_in_arena_).slot == kArena) ++outputs_in_arena_;
  for (const Value& value : values_)
    if (holds_gradients(value.slot)) note_gradient({value.slot, value.life.offset + value.life.bytes});
  double total = 0;
  for (Stage& stage : stages_) {
    add_parts(stage);
    total += stage.cost;
  }
  for (Stage& stage : stages_) {
    stage.shared = stage.tasks > 1 && pays_to_share(stage.cost) && pays_to_share_plan(total);
    shared_ = shared_ || stage.shared;
  }
  long_ = total > kLongRun;
  open_tasks_ = std::make_unique<std::atomic<Dim>[]>(calls_.size());
  for (std::size_t i = 0; i < calls_.size(); ++i) open_tasks_[i] = calls_[i]->tasks;
}

void Plan::note_gradient(const Place& end) {
  const auto known = std::ranges::find(gradients_, end.slot, &Place::slot);
  if (known == gradients_.end())
    gradients_.push_back(end);
  else
    known->offset = std::max(known->offset, end.offset);
}

// Whether all that the call does is to gather rows that may be read where they are.
bool Plan::may_stay(const Call& call) const {
  return std::ranges::any_of(
      gathers_, [&](const GatherSpec& gather) { return !call.writes.empty() && call.writes[0] == gather.out; });
}

// Lanes first: they are long.
void Plan::add_parts(Stage& stage) const {
  const auto add = [&](int call, Dim tasks, double cost) {
    stage.parts.push_back({call, tasks, cost});
    stage.tasks += tasks;
    stage.cost += cost;
  };
  double in_lanes = 0;
  for (const std::size_t call : stage.lanes) in_lanes += calls_[call]->cost;
  if (!stage.lanes.empty()) add(kLane, calls_[stage.lanes[0]]->tasks, in_lanes);
  for (std::size_t i = stage.begin; i < stage.end; ++i)
    if (!calls_[i]->in_lanes) add(static_cast<int>(i), calls_[i]->tasks, calls_[i]->cost);
}

}  // namespace backpass
