// Compiling and walking.
#include "plan/plan.h"

#include <algorithm>
#include <cmath>

#include "base/float_mode.h"
#include "graph/reach.h"
#include "kernels/dispatch.h"
#include "plan/lowering.h"
#include "plan/sharing.h"
#include "plan/team.h"

namespace backpass {

void mark_phase(PlanSpec& spec, const std::vector<Tensor>& tensors, Phase phase) {
  for (const Tensor& t : reachable(tensors)) spec.phases.emplace(&t.op(), phase);
}

Plan::Plan(const PlanSpec& spec) : dtype_(spec.dtype), batch_(spec.batch), isa_(kernels::name(kernels::current_isa())) {
  Lowering(*this, spec).run();
  finish_compiling();
}

// Stages with their tasks in order, and whether sharing them pays.
void Plan::finish_compiling() {
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    const Call& call = *calls_[i];
    if (stages_.empty() || calls_[stages_.back().begin]->stage != call.stage) stages_.push_back({i, i, call.phase, false, {}, {}});
    Stage& stage = stages_.back();
    stage.end = i + 1;
    for (Dim task = 0; task < call.tasks; ++task) {
      stage.tasks.emplace_back(static_cast<int>(i), task);
      stage.cost.push_back((stage.cost.empty() ? 0 : stage.cost.back()) + call.cost / static_cast<double>(call.tasks));
    }
    scratch_bytes_ = std::max(scratch_bytes_, round_up(call.scratch_bytes));
  }
  for (Stage& stage : stages_) {
    stage.shared = stage.tasks.size() > 1 && pays_to_share(stage.cost.back());
    shared_ = shared_ || stage.shared;
  }
  address_.resize(values_.size());
  barrier_ = std::make_unique<Barrier>();
  open_tasks_ = std::make_unique<std::atomic<Dim>[]>(calls_.size());
  for (std::size_t i = 0; i < calls_.size(); ++i) open_tasks_[i] = calls_[i]->tasks;
}

Place Plan::output(std::size_t index) const {
  const Value& value = values_[static_cast<std::size_t>(outputs_[index])];
  return {value.slot, value.life.offset};
}

void Plan::prepare(const PlanRun& run) {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    std::byte* base = run.slots[static_cast<std::size_t>(values_[i].slot)];
    address_[i] = base ? base + values_[i].life.offset : nullptr;
  }
  scratch_.reserve(scratch_bytes_ * static_cast<std::size_t>(Team::size_for(run.threads)) + kAlignment);
}

void Plan::run(const PlanRun& run) noexcept {
  prepare(run);
  const Context context{address_.data(), run.sources.data(), run.rows, run.seed, run.step, run.settings};
  auto job = [&](int worker, int workers) {
    const FlushSubnormals mode;
    walk(context, run.first, run.last, worker, workers);
  };
  if (shared_) Team::run(run.threads, job);
  else job(0, 1);
}

void Plan::walk(const Context& context, Phase first, Phase last, int worker, int workers) noexcept {
  bool alone = true;  // what came before was run by worker 0 alone
  for (const Stage& stage : stages_) {
    if (stage.phase < first || stage.phase > last) continue;
    const bool shared = stage.shared && workers > 1;
    const bool guarded = stage.phase == Phase::update && guard_ >= 0;
    if (workers > 1 && (shared || !alone || guarded)) barrier_->wait(workers);
    if (guarded && !guard_holds()) return;
    if (shared) run_slice(stage, context, worker, workers);
    else if (worker == 0) run_whole(stage, context, scratch_of(0));
    alone = !shared;
  }
}

// A loss that is not finite changes no parameter.
bool Plan::guard_holds() const noexcept {
  const std::byte* loss = address_[static_cast<std::size_t>(guard_)];
  return dtype_ == DType::float64 ? std::isfinite(*reinterpret_cast<const double*>(loss))
                                  : std::isfinite(*reinterpret_cast<const float*>(loss));
}

void Plan::run_whole(const Stage& stage, const Context& context, std::byte* scratch) noexcept {
  for (std::size_t i = stage.begin; i < stage.end; ++i) {
    const Call& call = *calls_[i];
    for (Dim task = 0; task < call.tasks; ++task) call.run(context, task, scratch);
    if (call.finishes) call.finish(context);
  }
}

// The tasks whose middle lies in this worker's part of the stage's cost. Which worker runs a task changes no bit.
void Plan::run_slice(const Stage& stage, const Context& context, int worker, int workers) noexcept {
  const double part = stage.cost.back() / workers;
  const auto bound = [&](int w) {
    return w == workers ? stage.tasks.size()
                        : static_cast<std::size_t>(std::lower_bound(stage.cost.begin(), stage.cost.end(), part * w) - stage.cost.begin());
  };
  const std::size_t begin = worker == 0 ? 0 : bound(worker), end = bound(worker + 1);
  for (std::size_t i = begin; i < end; ++i) {
    const auto [index, task] = stage.tasks[i];
    const Call& call = *calls_[static_cast<std::size_t>(index)];
    call.run(context, task, scratch_of(worker));
    if (!call.finishes) continue;
    std::atomic<Dim>& open = open_tasks_[static_cast<std::size_t>(index)];
    if (open.fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
    call.finish(context);
    open.store(call.tasks, std::memory_order_relaxed);
  }
}

}  // namespace backpass
