// An optimizer's rule, its steps so far and its slots.
#pragma once

#include <mutex>

#include "base/aligned.h"
#include "nn/in_use.h"
#include "optim/groups.h"
#include "optim/rule.h"
#include "plan/workspace.h"

namespace backpass {

// That a state from elsewhere may tell of: a rule may go over all of them.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 31;

// Of what a rule of one's own gave for a parameter; throws std::invalid_argument.
void check_results(const ComposedOptimizer& own, const std::string& parameter, const Tensor& weight,
                   const std::vector<Tensor>& results);

struct Optimizer::State {
  using Slots = std::vector<AlignedBuffer>;  // as slot_names; laid out as the parameters

  State(const Description& made_from, const OptimizerOptions& with);
  State(ComposedOptimizer own, const OptimizerOptions& with);

  State(const Description& made_from, const OptimizerOptions& with, Rule made);

  Description description;
  OptimizerOptions options;
  Rule rule;
  std::optional<ComposedOptimizer> composed = {};  // in place of the rule
  std::vector<std::string> slot_names;             // the rule's three, "" where it keeps none; or those of `composed`
  Groups groups;
  double learning_rate = 0;
  std::int64_t steps = 0;
  std::int64_t epochs = 0;                    // finished by fit
  std::shared_ptr<Network::Impl> bound = {};  // the network that this steps; kept, so that no other takes its place
  std::mutex binding;                         // held to change `bound` and `loaded`; a step does not
  Slots slots = {};
  std::optional<OptimizerState> loaded = {};  // by load_state_dict, until it binds
  // By entry of the groups' table; behind them those of descent along directions.
  std::vector<kernels::UpdateSettings> next = {};
  Workspace workspace = {};             // of step()
  std::vector<std::byte*> places = {};  // of a composed update; kept, so that a step allocates nothing
  double last_norm = 0;                 // of the gradient of the last step by hand, where it was to be clipped
  std::array<std::weak_ptr<const HostFunction>, 2> numbers_of_steps = {};  // see step_numbers.h; by type
  std::vector<std::weak_ptr<const UpdateStep>> update_steps = {};  // see apply.cc; by entry of the groups' table
  AlignedBuffer numbers = {};  // that a composed update reads: the step's number, rates by entry of the groups' table

  int slot_count() const;
  bool makes_steps() const { return !rule.minimizer; }
  void require_steps() const;  // throws std::invalid_argument where it makes none
  double current_learning_rate() const { return learning_rate_after(steps); }
  double learning_rate_after(std::int64_t done) const;
  double factor_of(const Schedule& schedule, std::int64_t done) const;
  // Adds the update phase of what is not frozen to a plan; `tables`: of these only the rows that a batch names. Throws
  // std::invalid_argument where a pattern matches no parameter, or the rule cannot update by rows. `gradients`: those
  // that the plan computes, by name.
  void add_update(PlanSpec& spec, const Network::Impl& network, const std::vector<RowsUpdate>& tables = {},
                  const std::map<std::string, Tensor>& gradients = {}) const;
  RowsUpdate by_rows(RowsUpdate table, const ParameterInfo& info) const;
  // Binds to a network at the first call and allocates the slots; throws std::invalid_argument for another network.
  void bind(Network& network);
  void unbind();
  // For a call between steps: no other thread binds it meanwhile, or has its network in a way that `use` is not for.
  struct Hold {
    Hold(State& state, Use use);
    std::lock_guard<std::mutex> lock;
    std::optional<InUse> network;
  };
  // One step, for a call that has the network, from the gradients in its buffer; false, and nothing changed, where it
  // would not be finite.
  bool step(Network& network);
  // What can fail comes before the first step.
  void compile(Network& network);
  // The settings of the next step; taken when its update is done.
  const kernels::UpdateSettings* next_settings();
  // Those of step t for an entry of the groups' table, at a rate before groups; `by`: the rule, or a copy of it.
  kernels::UpdateSettings settings_of(Rule& by, double rate, std::int64_t t, std::size_t entry) const;
  // What a run of an update reads and writes: arena, parameters, gradients, slots.
  std::array<std::byte*, kFirstExternal> buffers(Network::Impl& network, std::byte* arena) const;

  Plan& sweep_plan(const Network::Impl& network);
  Plan& clip_plan(const Network::Impl& network);
  Plan& composed_plan(const Network::Impl& network);  // composed.cc
  PlanSpec composed_spec(const Network::Impl& network) const;
  bool walk(const Network::Impl& network, Plan& plan, std::span<std::byte* const> memory);
  bool step_composed(Network::Impl& network);
  // What of the last step by hand was not finite, so that nothing was changed.
  std::string why_refused(Network::Impl& network) const;
  // The first parameter that is trained and whose gradient is not finite; null where there is none.
  static const ParameterInfo* without_gradient(Network::Impl& network);

  // New slots, with the arrays of `from` where there are some. Throws std::invalid_argument where they do not fit.
  Slots make_slots(const Network::Impl& network, const OptimizerState& from) const;
};

}  // namespace backpass
