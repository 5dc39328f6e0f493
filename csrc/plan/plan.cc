// Walking a plan.
#include "plan/plan.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <utility>

#include "base/float_mode.h"
#include "base/interrupt.h"
#include "plan/workers/team.h"

namespace backpass {
Plan::~Plan() {
  if (shared_) Crew::let_go(*this);
}

Place Plan::output(std::size_t index) const {
  const Value& value = values_[static_cast<std::size_t>(outputs_[index])];
  return {value.slot, value.life.offset};
}

// Where values lie, unless it is where they lay in the last run.
void Plan::find_addresses(const PlanRun& run) {
  if (!address_.empty() && std::ranges::equal(run.slots, slots_) && std::ranges::equal(run.blocks, blocks_)) return;
  slots_.assign(run.slots.begin(), run.slots.end());
  blocks_.assign(run.blocks.begin(), run.blocks.end());
  address_.resize(values_.size());
  for (std::size_t i = 0; i < values_.size(); ++i) address_[i] = place_of(static_cast<int>(i));
  written_.clear();
  for (const Place& end : gradients_) written_.emplace_back(base_of(end.slot), base_of(end.slot) + end.offset);
}

std::byte* Plan::place_of(int value) const noexcept {
  const Value& v = values_[static_cast<std::size_t>(value)];
  std::byte* base = v.slot == kConstants ? constants_.data() : base_of(v.slot);
  return base ? base + v.life.offset : nullptr;
}

std::byte* Plan::base_of(int slot) const noexcept {
  return slot >= 0 ? slots_[static_cast<std::size_t>(slot)] : blocks_[static_cast<std::size_t>(kConstants - 1 - slot)];
}

// Whether these bytes are of a buffer that a run writes to before it has read all rows.
bool Plan::meets_gradients(const std::byte* rows, std::size_t bytes) const noexcept {
  for (const auto& [begin, end] : written_)
    if (std::less<>()(rows, end) && std::less<>()(begin, rows + bytes)) return true;
  return false;
}

// Rows that lie one after the other are not copied; whether all do. No call writes to the value of an input.
bool Plan::find_in_place() {
  bool all = !gathers_.empty();
  for (const GatherSpec& gather : gathers_) {
    const std::size_t value = static_cast<std::size_t>(gather.out);
    const std::byte* rows = rows_in_place(gather, context_);
    const bool stays = rows && !meets_gradients(rows, values_[value].life.bytes);
    address_[value] = stays ? const_cast<std::byte*>(rows) : place_of(gather.out);
    all = all && stays;
  }
  return all;
}

void Plan::prepare(const PlanRun& run) {
  find_addresses(run);
  context_ = {address_.data(), run.sources.data(), run.rows, run.seed, run.step, run.settings, &extraordinary_};
  extraordinary_.store(false, std::memory_order_relaxed);
  refused_ = false;
  asks_ = long_;
  stopped_.store(false, std::memory_order_relaxed);
  extent_ = {run.first, run.last, find_in_place()};
  const int workers = shared_ ? Team::size() : 1;  // asked only where it matters: it costs as much as a small call
  scratch_.reserve(scratch_bytes_ * static_cast<std::size_t>(workers) + kAlignment);
}

void Plan::run(const PlanRun& run) {
  if (!shared_) return walk(run);
  auto body = [&] { walk(run); };
  Team::with(run.threads, body);
}

void Plan::walk(const PlanRun& run) {
  prepare(run);
  if (shared_ && Team::size() > 1)
    walk_together();
  else
    walk_alone();
  rethrow_errors();
}

void Plan::rethrow_errors() {
  std::exception_ptr error = std::exchange(interrupt_, nullptr);
  for (const std::size_t call : fallible_)
    if (const std::exception_ptr own = calls_[call]->take_error(); own && !error) error = own;
  if (error) std::rethrow_exception(error);
}

void Plan::walk_together() {
  if (const int workers = Team::size(); !tickets_.fits(workers)) {
    Crew::let_go(*this);
    tickets_.resize(stages_.size() + 1, workers, slices(workers));
  }
  tickets_.begin_run(std::bit_cast<std::uint32_t>(extent_));
  Team::run(*this);
  tickets_.end_run();
}

void Plan::walk_alone() noexcept {
  const FlushSubnormals mode;
  bool passed = false;
  for (const Stage& stage : stages_) {
    if (!extent_.asks(stage)) continue;
    if (stage.guarded) asks_ = false;
    if (stage.guarded && !passed && !(passed = guard_holds())) return;
    run_whole(stage);
  }
}

// A task belongs to whoever takes it: of helpers that do not come, worker 0 does the work. Only worker 0 and whoever
// holds a task may look at the values, and at what changes from run to run: the others may be late, and that run over.
void Plan::work(int worker) noexcept {
  const FlushSubnormals mode;
  const auto [run, word] = tickets_.run();
  if (run == 0 || worker >= tickets_.workers()) return;
  const Extent extent = std::bit_cast<Extent>(word);
  bool passed = false;
  for (std::size_t s = 0; s < stages_.size(); ++s) {
    const Stage& stage = stages_[s];
    if (!extent.asks(stage)) continue;
    if (stage.guarded && !passed && !(passed = passes_guard(run, worker))) return;
    const std::uint32_t tasks = static_cast<std::uint32_t>(stage.tasks);
    if (stage.shared) {
      if (!run_shared(run, s, worker)) return;
    } else if (worker == 0) {
      run_whole(stage);
      tickets_.complete(s, tasks);
    }
    if (worker == 0)
      tickets_.wait_as_caller(run, s, tasks);
    else if (!tickets_.wait_as_helper(run, s, tasks))
      return;
  }
}

// Worker 0 asks the guard and tells the others by the stage behind the last; where it does not hold, it ends the
// run.
bool Plan::passes_guard(std::uint32_t run, int worker) noexcept {
  const std::size_t guard_stage = stages_.size();
  if (worker != 0) return tickets_.wait_as_helper(run, guard_stage, 1);
  asks_ = false;
  const bool holds = guard_holds();
  if (holds)
    tickets_.complete(guard_stage, 1);
  else
    tickets_.end_run();
  return holds;
}

// This worker's tasks, then those of the others; false where the run is over.
bool Plan::run_shared(std::uint32_t run, std::size_t s, int worker) noexcept {
  const int workers = tickets_.workers();
  for (int i = 0; i < workers; ++i)
    for (;;) {
      const std::int64_t task = tickets_.take(run, s, (worker + i) % workers);
      if (task == Tickets::kOver) return false;
      if (task == Tickets::kNone) break;
      run_task(stages_[s], task, worker);
      tickets_.complete(s, 1);
    }
  return true;
}

void Plan::run_task(const Stage& stage, Dim i, int worker) noexcept {
  const Part* part = stage.parts.data();
  for (; i >= part->tasks; ++part) i -= part->tasks;
  if (part->call != kLane) return run_task_of(static_cast<std::size_t>(part->call), i, worker);
  for (const std::size_t call : stage.lanes) run_task_of(call, i, worker);
}

void Plan::run_task_of(std::size_t index, Dim task, int worker) noexcept {
  const Call& call = *calls_[index];
  run_call(call, task, worker);
  if (!call.finishes) return;
  std::atomic<Dim>& open = open_tasks_[index];
  if (open.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  call.finish(context_);
  open.store(call.tasks, std::memory_order_relaxed);
}

// After an interrupt the tasks that are left are taken and completed without being run: so the walk ends as any other.
void Plan::run_call(const Call& call, Dim task, int worker) noexcept {
  if (!long_) return call.run(context_, task, scratch_of(worker));
  if (worker == 0 && asks_) ask();
  if (!stopped_.load(std::memory_order_relaxed)) call.run(context_, task, scratch_of(worker));
}

void Plan::ask() noexcept {
  try {
    ask_interrupt();
  } catch (...) {
    interrupt_ = std::current_exception();
    asks_ = false;
    stopped_.store(true, std::memory_order_relaxed);
  }
}

// Before anything is written that outlives the run: nothing of it may be other than finite.
bool Plan::guard_holds() noexcept {
  const auto stays_finite = [&](std::size_t call) {
    return calls_[call]->phase > extent_.last || calls_[call]->stays_finite(context_, scratch_of(0));
  };
  refused_ = !loss_holds() || !std::ranges::all_of(keeping_, stays_finite);
  return !refused_;
}

// A loss that is not finite changes no parameter, nor does a call that has failed, nor an interrupted run.
bool Plan::loss_holds() const noexcept {
  if (stopped_.load(std::memory_order_relaxed)) return false;
  for (const std::size_t call : fallible_)
    if (calls_[call]->failed()) return false;
  if (guard_ < 0) return true;
  const std::byte* loss = address_[static_cast<std::size_t>(guard_)];
  return dtype_ == DType::float64 ? std::isfinite(*reinterpret_cast<const double*>(loss))
                                  : std::isfinite(*reinterpret_cast<const float*>(loss));
}

double Plan::gradient_norm() const noexcept {
  return norm_ < 0 ? 0 : *reinterpret_cast<const double*>(address_[static_cast<std::size_t>(norm_)]);
}

void Plan::run_whole(const Stage& stage) noexcept {
  const Dim lanes = stage.lanes.empty() ? 0 : calls_[stage.lanes[0]]->tasks;
  for (Dim lane = 0; lane < lanes; ++lane)
    for (const std::size_t call : stage.lanes) run_call(*calls_[call], lane, 0);
  for (std::size_t i = stage.begin; i < stage.end; ++i) {
    const Call& call = *calls_[i];
    for (Dim task = 0; !call.in_lanes && task < call.tasks; ++task) run_call(call, task, 0);
    if (call.finishes) call.finish(context_);
  }
}

Dim Plan::Stage::task_at(double at) const {
  Dim before = 0;
  for (const Part& part : parts) {
    if (at < part.cost) return before + static_cast<Dim>(at / part.cost * static_cast<double>(part.tasks));
    at -= part.cost;
    before += part.tasks;
  }
  return before;
}

// Each worker's part of a stage has nearly the same cost. Which worker runs a task changes no bit.
std::vector<std::uint32_t> Plan::slices(int workers) const {
  std::vector<std::uint32_t> bounds;
  for (const Stage& stage : stages_) {
    for (int w = 0; w <= workers; ++w) {
      const Dim task = w == workers ? stage.tasks : stage.task_at(stage.cost * w / workers);
      bounds.push_back(static_cast<std::uint32_t>(std::min(task, stage.tasks)));
    }
  }
  bounds.resize(bounds.size() + static_cast<std::size_t>(workers) + 1, 0);  // the guard's stage has no tasks
  return bounds;
}

}  // namespace backpass
