// What a trainer holds: an objective and an optimizer.
#pragma once

#include "backpass/trainer.h"
#include "nn/layer_call.h"
#include "optim/state.h"
#include "train/objective_impl.h"

namespace backpass {

struct Trainer::Impl {
  Objective handle;
  Optimizer optimizer;
  std::function<bool(Network&, Optimizer&)> by_hand = {};  // TrainerOptions::update
  Objective::Impl& objective = handle.impl();
  // Of its plans: the update in them is its optimizer's, and others may share the objective.
  const std::uint64_t number = reserve_numbers(1);
  bool stopped = false;
  bool updated = false;      // whether the last step changed parameters
  double gradient_norm = 0;  // of the last step that was to be clipped

  using Batch = Objective::Impl::Batch;
  using Ending = Objective::Impl::Ending;

  Network& network() const { return objective.network; }
  Network::Impl& net() const { return objective.net(); }
  PlanSpec training_spec(Dim batch, const AllTargets& targets, bool predict, Ending ending = Ending::update) const;
  Plan& training_plan(Dim batch, const AllTargets& targets, bool predict, Ending ending = Ending::update);

  double walk(Plan& plan, const Batch& batch);  // forward, loss, backward and update; returns the loss
  // A full step, or one up to its gradients; counts it where it is a full one.
  double train(const Batch& batch, Ending ending = Ending::update);
  static bool updates(Ending ending) { return ending == Ending::update || ending == Ending::sum_update; }
  // Whether the update is no part of the plan that computes gradients.
  bool updates_apart() const { return by_hand || optimizer.state()->composed; }
  // What can fail comes before the first step.
  void prepare() { by_hand ? optimizer.state()->bind(network()) : optimizer.state()->compile(network()); }
  // From the gradients in the buffer; false where it would not be finite.
  bool update() try {
    return by_hand ? by_hand(network(), optimizer) : optimizer.state()->step(network());
  } catch (const NotFiniteError&) {
    return false;
  }
  // The gradients become the mean over this batch and those of `weight` before it, which grows. Then: optimizer.step().
  double accumulate(const Batch& batch, double& weight);
};

}  // namespace backpass
