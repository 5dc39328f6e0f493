// Plan: a compiled graph. Compiling decides, places and allocates; running walks pointers.
#pragma once

#include <atomic>
#include <cmath>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/aligned.h"
#include "graph/op.h"
#include "plan/arena.h"
#include "plan/calls/calls.h"
#include "plan/workers/team.h"
#include "plan/workers/tickets.h"

namespace backpass {

// The memory that a plan's values lie in, given anew for each run.
enum Slot : int {
  kConstants = -1,
  kArena = 0,
  kParameters,
  kGradients,
  kOptimizer0,
  kOptimizer1,
  kOptimizer2,
  kFirstExternal
};

// A network's parameters and their gradients may lie in several blocks of memory. The first has the two slots above;
// the others have slots below kConstants, two for each.
constexpr int parameters_slot(std::size_t block) {
  return block == 0 ? static_cast<int>(kParameters) : kConstants + 1 - 2 * static_cast<int>(block);
}
constexpr int gradients_slot(std::size_t block) {
  return block == 0 ? static_cast<int>(kGradients) : kConstants - 2 * static_cast<int>(block);
}
constexpr bool holds_parameters(int slot) { return slot == kParameters || (slot < kConstants && slot % 2 == 0); }
constexpr bool holds_gradients(int slot) { return slot == kGradients || (slot < kConstants && slot % 2 != 0); }

struct Place {
  int slot = kArena;
  std::size_t offset = 0;  // bytes
  bool operator==(const Place&) const = default;
};

// Of the gradient of a parameter that lies at a place.
inline Place gradient_beside(const Place& parameter) {
  return {parameter.slot == kParameters ? static_cast<int>(kGradients) : parameter.slot - 1, parameter.offset};
}

struct PlanInput {
  Tensor tensor;
  bool gather = false;  // rows are gathered into the arena, or read where they are; otherwise external slot
                        // kFirstExternal + its position
};

struct PlanOutput {
  Tensor tensor;
  Place place;  // kArena: anywhere in the arena, kept to the end
};

// A value that is kept: it is written when everything of its phase is done.
struct PlanAssign {
  Tensor value;
  Place place;
};

// A table of which a step updates the rows that some lookups name: the gradient of each lookup's output, and its op.
struct RowsUpdate {
  Tensor table;
  std::vector<std::pair<Tensor, Tensor>> lookups = {};  // take op, gradient
  int settings = 0;
  std::size_t offset = 0;  // of its state in the optimizer's slots, bytes
};

// A parameter that descends along a tensor instead of its gradient.
struct Descent {
  Tensor along;
  Place parameter = {};
  int settings = 0;
};

// Which elements of the flat layout of a network's parameters lie in one block of memory.
struct FlatBlock {
  Dim begin = 0, end = 0;
};

// Which parameters are updated, and how; their settings come with each run.
struct UpdatePhase {
  kernels::UpdateRule rule = kernels::UpdateRule::sgd;
  std::string name = {};
  std::array<bool, 3> slots = {};      // what state the rule keeps: kOptimizer0 and the next
  std::vector<Segment> segments = {};  // of the flat layout, ascending
  std::vector<FlatBlock> blocks = {};  // of the parameters, ascending; by number, as in their slots
  std::vector<Descent> descents = {};
  std::vector<RowsUpdate> tables = {};
  std::optional<double> clip_norm = {}, clip_value = {};
  bool sweeps = true;  // else gradients are clipped, and nothing is updated
};

struct PlanSpec {
  std::vector<PlanInput> inputs;
  std::vector<PlanOutput> outputs;
  std::vector<PlanAssign> assigns;
  Phase assign_phase = Phase::update;
  std::unordered_map<const Op*, Place> leaves;  // of parameters, states, and inputs with a place of their own
  std::unordered_map<const Op*, Phase> phases;  // forward where absent
  Dim batch = 1;
  bool training = false;
  bool separate_phases = false;  // forward and backward are run apart
  bool recompute = false;        // forward values are made again for the backward pass, where that saves memory
  std::optional<ElementType> narrow = {};  // bfloat16 or int8: so forward values are kept for the backward pass
  bool compact = false;                    // lanes share no stage: all values of a stage live at once
  DType dtype = DType::float32;
  UpdatePhase update = {};  // skipped where the scalar `guard` is not finite
  Tensor guard = {};
  std::vector<Tensor> kept = {};  // by leaf()

  // An input with a place of its own. It is kept: what nobody reads would be freed, and its address be another op's.
  Tensor leaf(Shape shape, const std::string& name, Place place) {
    kept.push_back(input(std::move(shape), dtype, name));
    leaves[&kept.back().op()] = place;
    return kept.back();
  }
};

struct PlanRun {
  std::span<std::byte* const> slots;
  std::span<const RowSource> sources = {};
  const std::int64_t* rows = nullptr;
  std::uint64_t seed = 0, step = 0;
  const kernels::UpdateSettings* settings = nullptr;  // by Segment::settings
  int threads = 1;
  Phase first = Phase::forward, last = Phase::update;
  std::span<std::byte* const> blocks = {};  // parameters and gradients of each block but the first
};

// Puts the ops that `tensors` are made from, and that have no phase yet, into a phase.
void mark_phase(PlanSpec& spec, const std::vector<Tensor>& tensors, Phase phase);

class Plan final : public Job {
 public:
  struct Value {
    Lifetime life;
    int slot = kArena;
    std::string name;
  };

  explicit Plan(const PlanSpec& spec);
  ~Plan() override;
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // Walks the calls of the phases asked for. Allocates nothing after the first run with these threads.
  void run(const PlanRun& run);

  // Whether the last run reached the parameters: its loss was finite, and so was all that it would have written.
  bool updated() const noexcept { return !refused_ && loss_holds() && std::isfinite(gradient_norm()); }
  double gradient_norm() const noexcept;  // of the last run, before clip_norm; 0 where nothing is clipped

  std::size_t arena_bytes() const { return arena_bytes_; }
  bool shared() const { return shared_; }                             // by several workers, where there are some
  Place output(std::size_t index) const;                              // where an output lies
  std::size_t outputs_in_arena() const { return outputs_in_arena_; }  // before the first with a place of its own
  PlanInfo info() const;
  PlanInfo profile(const PlanRun& run, int repeats);  // medians per call, one worker

 private:
  friend class Lowering;
  // Tasks of equal cost: those of a call, or the lanes of a stage.
  struct Part {
    int call = 0;  // or kLane
    Dim tasks = 0;
    double cost = 0;  // nanoseconds of all of them
  };
  struct Stage {
    std::size_t begin = 0, end = 0;  // calls
    Phase phase = Phase::forward;
    bool shared = false;
    bool guarded = false;                 // it writes what is kept
    bool gathers = false;                 // all that it does is to gather rows
    std::vector<std::size_t> lanes = {};  // calls that are walked one after the other, lane by lane
    std::vector<Part> parts = {};
    Dim tasks = 0;                 // of all parts
    double cost = 0;               // likewise
    Dim task_at(double at) const;  // the one under way when so much of the cost is behind
  };

  static constexpr int kLane = -1;

  // What a run asks for: told with its number, in one word.
  struct Extent {
    Phase first = Phase::forward, last = Phase::update;
    bool all_in_place = false;  // no rows are to be gathered
    std::uint8_t unused = 0;
    bool asks(const Stage& stage) const noexcept {
      return stage.phase >= first && stage.phase <= last && !(stage.gathers && all_in_place);
    }
  };

  void finish_compiling();
  void note_gradient(const Place& end);
  void add_parts(Stage& stage) const;
  bool may_stay(const Call& call) const;
  std::byte* place_of(int value) const noexcept;
  std::byte* base_of(int slot) const noexcept;
  void find_addresses(const PlanRun& run);
  bool find_in_place();
  bool meets_gradients(const std::byte* rows, std::size_t bytes) const noexcept;
  void prepare(const PlanRun& run);
  void walk(const PlanRun& run);
  std::vector<std::uint32_t> slices(int workers) const;
  bool loss_holds() const noexcept;
  bool guard_holds() noexcept;
  bool passes_guard(std::uint32_t run, int worker) noexcept;
  void walk_alone() noexcept;
  void rethrow_errors();
  void walk_together();
  void work(int worker) noexcept override;
  bool run_shared(std::uint32_t run, std::size_t stage, int worker) noexcept;
  void run_task(const Stage& stage, Dim i, int worker) noexcept;
  void run_task_of(std::size_t index, Dim task, int worker) noexcept;
  void run_whole(const Stage& stage) noexcept;
  void run_call(const Call& call, Dim task, int worker) noexcept;
  void ask() noexcept;
  std::byte* scratch_of(int worker) noexcept {
    return scratch_.data() + static_cast<std::size_t>(worker) * scratch_bytes_;
  }

  std::vector<CallPtr> calls_;
  std::vector<Value> values_;
  std::vector<int> outputs_;  // values
  std::size_t outputs_in_arena_ = 0;
  std::vector<Stage> stages_;
  std::vector<std::size_t> fallible_, keeping_;       // the calls that may throw; that write what is kept
  std::vector<GatherSpec> gathers_;                   // of rows that may be read where the caller has them
  std::vector<std::byte*> slots_, blocks_, address_;  // of the last run: by slot, by block, by value
  std::unique_ptr<std::atomic<Dim>[]> open_tasks_;    // by call
  Tickets tickets_;
  Context context_{};  // of the run under way
  Extent extent_;
  std::atomic<bool> extraordinary_{false};  // a gradient of the run is
  bool refused_ = false;                    // by the guard, what was to be kept
  AlignedBuffer scratch_, constants_;
  std::size_t scratch_bytes_ = 0, arena_bytes_ = 0;
  std::vector<Place> gradients_;  // their buffers, each with the end of the last value there
  std::vector<std::pair<const std::byte*, const std::byte*>> written_;  // their begins and ends, in the last run
  int guard_ = -1, norm_ = -1;                                          // values
  bool shared_ = false;                                                 // some stage is worth several workers
  bool long_ = false;                                                   // a run may be interrupted
  bool asks_ = false;                                                   // and this one, for now; of worker 0
  std::atomic<bool> stopped_{false};
  std::exception_ptr interrupt_;
  DType dtype_ = DType::float32;
  Dim batch_ = 0;
  std::string isa_;
};

// The plan of a spec; compact where it asks for recomputation or narrow values, but without narrow values where they
// save less than a tenth of the arena, and without recomputation where it saves less than a tenth of what is left.
std::unique_ptr<Plan> compile(PlanSpec spec);

}  // namespace backpass
