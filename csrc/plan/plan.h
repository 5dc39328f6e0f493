// Plan: a compiled graph. Compiling decides, places and allocates; running walks pointers.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>

#include "graph/op.h"
#include "base/aligned.h"
#include "plan/arena.h"
#include "plan/barrier.h"
#include "plan/calls.h"

namespace backpass {

// The memory that a plan's values lie in, given anew for each run.
enum Slot : int { kArena = 0, kParameters, kGradients, kOptimizer0, kOptimizer1, kFirstExternal };

struct Place {
  int slot = kArena;
  std::size_t offset = 0;  // bytes
};

struct PlanInput {
  Tensor tensor;
  bool gather = false;     // rows are gathered into the arena; otherwise external slot kFirstExternal + its position
};

struct PlanOutput {
  Tensor tensor;
  Place place;             // kArena: anywhere in the arena, kept to the end
};

struct PlanSpec {
  std::vector<PlanInput> inputs;
  std::vector<PlanOutput> outputs;
  std::unordered_map<const Op*, Place> leaves;     // of parameters, and of inputs with a place of their own
  std::unordered_map<const Op*, Phase> phases;     // forward where absent
  Dim batch = 1;
  bool training = false;
  bool separate_phases = false;                    // forward and backward are run apart
  DType dtype = DType::float32;
  // The update phase, where `count` > 0; it is skipped where the scalar `guard` is not finite.
  UpdateRule rule = UpdateRule::sgd;
  Dim update_count = 0;
  int update_slots = 0;
  Tensor guard = {};
};

struct PlanRun {
  std::span<std::byte* const> slots;
  std::span<const RowSource> sources = {};
  const std::int64_t* rows = nullptr;
  std::uint64_t seed = 0, step = 0;
  const void* settings = nullptr;
  int threads = 1;
  Phase first = Phase::forward, last = Phase::update;
};

// Puts the ops that `tensors` are made from, and that have no phase yet, into a phase.
void mark_phase(PlanSpec& spec, const std::vector<Tensor>& tensors, Phase phase);

class Plan {
 public:
  struct Value {
    Lifetime life;
    int slot = kArena;
    std::string name;
  };

  explicit Plan(const PlanSpec& spec);

  // Walks the calls of the phases asked for. Allocates nothing after the first run with these threads.
  void run(const PlanRun& run) noexcept;

  std::size_t arena_bytes() const { return arena_bytes_; }
  bool shared() const { return shared_; }            // by several workers, where there are some
  Place output(std::size_t index) const;             // where an output lies
  PlanInfo info() const;
  PlanInfo profile(const PlanRun& run, int repeats);  // medians per call, one worker

 private:
  friend class Lowering;
  struct Stage {
    std::size_t begin = 0, end = 0;   // calls
    Phase phase = Phase::forward;
    bool shared = false;
    std::vector<double> cost;         // cumulative, by task
    std::vector<std::pair<int, Dim>> tasks;  // (call, task)
  };

  void finish_compiling();
  void prepare(const PlanRun& run);
  void walk(const Context& context, Phase first, Phase last, int worker, int workers) noexcept;
  void run_slice(const Stage& stage, const Context& context, int worker, int workers) noexcept;
  void run_whole(const Stage& stage, const Context& context, std::byte* scratch) noexcept;
  bool guard_holds() const noexcept;
  std::byte* scratch_of(int worker) noexcept { return scratch_.data() + static_cast<std::size_t>(worker) * scratch_bytes_; }

  std::vector<CallPtr> calls_;
  std::vector<Value> values_;
  std::vector<int> outputs_;           // values
  std::vector<Stage> stages_;
  std::vector<std::byte*> address_;    // by value
  std::unique_ptr<std::atomic<Dim>[]> open_tasks_;  // by call
  std::unique_ptr<Barrier> barrier_;
  AlignedBuffer scratch_;
  std::size_t scratch_bytes_ = 0, arena_bytes_ = 0;
  int guard_ = -1;
  bool shared_ = false;
  DType dtype_ = DType::float32;
  Dim batch_ = 0;
  std::string isa_;
};

}  // namespace backpass
