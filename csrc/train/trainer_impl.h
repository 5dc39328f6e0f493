// What a trainer holds, and the walks that it makes.
#pragma once

#include "backpass/trainer.h"
#include "nn/network_impl.h"
#include "nn/targets.h"
#include "optim/state.h"

namespace backpass {

using AllTargets = std::vector<Targets>;  // by output

struct Trainer::Impl {
  Network network;
  Losses losses;
  Optimizer optimizer;
  int threads;
  Workspace workspace;
  bool stopped = false;
  bool updated = false;            // whether the last step changed parameters
  AllTargets step_targets;         // of a single step; kept, so that a step allocates nothing
  std::vector<RowSource> sources;  // likewise

  // One batch of rows of some data.
  struct Batch {
    const ArrayViews* x;
    const AllTargets* targets;
    const std::int64_t* rows;  // null: the first `count` ones
    Dim count;
    std::uint64_t seed, step;
    int threads;
    bool predict = false;  // keep the predictions
  };

  Network::Impl& net() const { return network.impl(); }
  PlanSpec training_spec(Dim batch, const AllTargets& targets, bool predict) const;
  PlanSpec evaluation_spec(Dim batch, const AllTargets& targets) const;
  Plan& training_plan(Dim batch, const AllTargets& targets, bool predict);
  Plan& evaluation_plan(Dim batch, const AllTargets& targets);

  // Forward, loss, backward and, unless `last` is earlier, update. Returns the loss.
  double walk(Plan& plan, const Batch& batch, Phase last);
  double train(const Batch& batch);  // a full step; counts it where it is one
  const std::byte* at(Place place) const { return workspace.arena() + place.offset; }
  double scalar(Place place) const;  // of a plan's output
  // The predictions of the only output, where they are asked for.
  double evaluate(const ArrayViews& x, const AllTargets& targets, int threads_, Array* predictions);
};

// The tensors that losses compare a network's outputs with.
struct LossInputs {
  std::vector<Tensor> y;
  Tensor weight, loss;
};
LossInputs build_losses(const Network::Impl& net, const Losses& losses, const AllTargets& targets);
// Inputs, targets and weights gathered, the loss as only output.
PlanSpec loss_spec(const Network::Impl& net, const LossInputs& in, Dim batch, bool training);
// What that plan gathers from, in its order.
void add_sources(std::vector<RowSource>& sources, const ArrayViews& x, const AllTargets& targets);

// Checks x and y together: as many rows, and what the network takes; fills `targets`. Throws std::invalid_argument.
Dim check_data(const Network::Impl& net, const Losses& losses, const TrainingData& data, AllTargets& targets);
// Metrics look at one output: throws std::invalid_argument where there are some, and several outputs.
void check_metrics(const Network::Impl& net, std::size_t count);
// Throws std::invalid_argument where a value is not finite, or not finite as the network's dtype.
void check_finite_data(const char* what, const ArrayViews& views, DType dtype);

}  // namespace backpass
