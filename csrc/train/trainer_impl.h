// What a trainer holds, and the walks that it makes.
#pragma once

#include "backpass/trainer.h"
#include "nn/network_impl.h"
#include "nn/targets.h"
#include "optim/state.h"
#include "train/penalty.h"

namespace backpass {

using AllTargets = std::vector<Targets>;  // by output

// The loss of one output over the rows of a batch; of the only one, with its loss weight.
struct HeadLoss {
  double loss, weight;  // a mean, and what its rows weigh together
};

struct Trainer::Impl {
  Network network;
  Losses losses;
  Optimizer optimizer;
  TrainerOptions options;
  Workspace workspace = {};
  bool stopped = false;
  bool updated = false;                 // whether the last step changed parameters
  double gradient_norm = 0;             // of the last step that was to be clipped
  AllTargets step_targets = {};         // of a single step; kept, so that a step allocates nothing
  std::vector<RowSource> sources = {};  // likewise
  std::vector<HeadLoss> heads = {};     // by output, in the last walk
  ArrayView predicted = {};             // by the last walk in training that kept predictions
  AlignedBuffer scalars = {};           // beside the arena: see Scalar

  // Numbers with a place of their own: what the rows weigh whose gradients are in the buffer, while they accumulate;
  // the penalty of the last walk in training.
  enum Scalar : std::size_t { kWeightBefore = 0, kPenalty = kAlignment, kScalarBytes = 2 * kAlignment };
  double penalty() const { return options.weight_penalty.empty() ? 0 : number_at(scalars.data() + kPenalty); }
  double number_at(const std::byte* place) const;

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
  // How a walk in training ends: with the update, with gradients added to those of other batches, or with gradients
  // alone. Only the first goes by the rows of sparse tables.
  enum class Ending { update, accumulate, gradients };

  PlanSpec training_spec(Dim batch, const AllTargets& targets, bool predict, Ending ending = Ending::update) const;
  PlanSpec evaluation_spec(Dim batch, const AllTargets& targets) const;
  Plan& training_plan(Dim batch, const AllTargets& targets, bool predict, Ending ending = Ending::update);
  Plan& evaluation_plan(Dim batch, const AllTargets& targets);

  // Forward, loss, backward and, unless `last` is earlier, update. Returns the loss.
  double walk(Plan& plan, const Batch& batch, Phase last);
  void read_heads(const Plan& plan, const Batch& batch);
  double train(const Batch& batch);  // a full step; counts it where it is one
  // Whether the update is no part of the plan that computes gradients.
  bool updates_apart() const { return options.update || optimizer.state()->composed; }
  // What can fail comes before the first step.
  void prepare() { options.update ? optimizer.state()->bind(network) : optimizer.state()->compile(network); }
  // From the gradients in the buffer; false where it would not be finite.
  bool update() try {
    return options.update ? options.update(network, optimizer) : optimizer.state()->step(network);
  } catch (const NotFiniteError&) {
    return false;
  }
  // The gradients become the mean over this batch and those of `weight` before it, which grows. Then: optimizer.step().
  double accumulate(const Batch& batch, double& weight);
  const std::byte* at(Place place) const { return workspace.arena() + place.offset; }
  double scalar(Place place) const { return number_at(at(place)); }  // of a plan's output
  ArrayView predictions(const Plan& plan, Dim rows) const;           // of the only output
};

// The tensors that losses compare a network's outputs with.
struct LossInputs {
  std::vector<Tensor> y;
  Tensor weight, loss;
  std::vector<Tensor> each, total_weight;  // by output: its loss, and what its rows weigh together
  bool weighted = false;                   // not all rows weigh 1
  bool own_weights = false;                // some loss weighs rows by more than sample_weight
};
LossInputs build_losses(const Network::Impl& net, const Losses& losses, const AllTargets& targets);
// Inputs, targets and weights gathered (or read in place), the loss as only output.
PlanSpec loss_spec(const Network::Impl& net, const LossInputs& in, Dim batch, bool training);
// What that plan gathers from, in its order.
void add_sources(std::vector<RowSource>& sources, const ArrayViews& x, const AllTargets& targets);

// Checks x and y together: as many rows, and what the network takes; fills `targets`. Throws std::invalid_argument.
Dim check_data(const Network::Impl& net, const Losses& losses, const TrainingData& data, AllTargets& targets);
// The same, and where `finite`, throws for what is not finite; messages name the arrays with `prefix`.
Dim check_rows(const Trainer::Impl& trainer, const TrainingData& data, const std::string& prefix, bool finite,
               AllTargets& targets);
// Metrics look at one output: throws std::invalid_argument where there are some, and several outputs. So it does where
// a metric is not defined for targets, as far as they are known (else null).
void check_metrics(const Network::Impl& net, const Metrics& metrics, const AllTargets* targets);

}  // namespace backpass
