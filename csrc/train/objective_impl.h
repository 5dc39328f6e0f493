// What an objective holds, and the walks that it makes.
#pragma once

#include "backpass/objective.h"
#include "nn/network_impl.h"
#include "nn/targets.h"
#include "plan/boundary.h"
#include "train/penalty.h"

namespace backpass {

// One term of the loss over the rows of a batch: of an output, or a joint one; of the only one, with its loss weight.
struct HeadLoss {
  double loss, weight;  // a mean, and what its rows weigh together
};

// A plan of loss and gradients, and what an update phase behind them goes by.
struct TrainingSpec {
  PlanSpec plan;
  std::vector<RowsUpdate> tables = {};           // sparse parameters, by the rows that are looked up
  std::map<std::string, Tensor> gradients = {};  // of the other parameters, by name
};

struct Objective::Impl {
  Network network;
  Losses losses;
  ObjectiveOptions options;
  Workspace workspace = {};
  AllTargets step_targets = {};         // of a single step; kept, so that a step allocates nothing
  std::vector<RowSource> sources = {};  // likewise
  std::vector<HeadLoss> heads = {};     // by term, in the last walk
  ArrayView predicted = {};             // by the last walk in training that kept predictions
  AlignedBuffer scalars = {};           // beside the arena: see Scalar
  double share = 1;                     // of its loss in the gradients of a step that draws from several data sets
  const std::size_t n_terms = losses.terms(net().outputs().size());
  const bool layers_add = network.adds_losses();  // to the loss

  // Numbers with a place of their own: what the rows weigh whose gradients are in the buffer, while they accumulate;
  // the penalty and what layers have added to the loss of the last walk in training.
  enum Scalar : std::size_t {
    kWeightBefore = 0,
    kPenalty = kAlignment,
    kAdded = 2 * kAlignment,
    kScalarBytes = 3 * kAlignment
  };

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

  using Buffers = std::array<std::byte*, kFirstExternal>;  // what a plan reads and writes, by slot

  // How a walk in training ends: with the update, with gradients averaged with those of other batches, or with
  // gradients alone; or with their sum with those of other data sets, alone or updated by. Only the first may go by the
  // rows of sparse tables.
  enum class Ending { update, accumulate, gradients, sum, sum_update };

  // `who` is named in errors.
  static std::shared_ptr<Impl> make(Network network, Losses losses, ObjectiveOptions options, const char* who);

  Network::Impl& net() const { return network.impl(); }
  std::size_t terms() const { return n_terms; }
  double penalty() const { return options.weight_penalty.empty() ? 0 : number_at(scalars.data() + kPenalty); }
  double added() const { return layers_add ? number_at(scalars.data() + kAdded) : 0; }

  // `by_rows`: gradients of sparse tables are left to whoever updates their rows. The loss that it tells has what
  // layers add and the penalty in it, and is without the share.
  TrainingSpec training_spec(Dim batch, const AllTargets& targets, bool predict, Ending ending, bool by_rows) const;
  Plan& gradients_plan(Dim batch, const AllTargets& targets);
  Plan& evaluation_plan(Dim batch, const AllTargets& targets);
  Plan& hessian_plan(Dim batch, const AllTargets& targets);

  // Forward, loss and, unless `last` is earlier, backward. Returns the loss.
  double walk(Plan& plan, const Batch& batch, Phase last) {
    return walk(plan, batch, last, {workspace.arena(), net().first_values(), net().first_gradients()}, nullptr);
  }
  // The same, and the update, with the slots and settings of an optimizer.
  double walk(Plan& plan, const Batch& batch, Phase last, const Buffers& buffers,
              const kernels::UpdateSettings* settings);
  double gradients(const Batch& batch) {
    return walk(gradients_plan(batch.count, *batch.targets), batch, Phase::backward);
  }

 private:
  PlanSpec evaluation_spec(Dim batch, const AllTargets& targets) const;
  PlanSpec hessian_spec(Dim batch, const AllTargets& targets) const;  // hvp.cc
  void read_heads(const Plan& plan, const Batch& batch);
  double number_at(const std::byte* place) const;
  const std::byte* at(Place place) const { return workspace.arena() + place.offset; }
  double scalar(Place place) const { return number_at(at(place)); }  // of a plan's output
  ArrayView predictions(const Plan& plan, Dim rows) const;           // of the only output
};

// What a plan in training depends on beside the rows of its batch.
int training_variant(const AllTargets& targets, bool predict, Objective::Impl::Ending ending);

// The tensors that losses compare a network's outputs with.
struct LossInputs {
  std::vector<Tensor> y;
  Tensor weight, loss;
  std::vector<Tensor> each, total_weight;  // by term: its loss, and what its rows weigh together
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
Dim check_rows(const Objective::Impl& objective, const TrainingData& data, const std::string& prefix, bool finite,
               AllTargets& targets);
// Metrics look at one output and one array of targets: throws std::invalid_argument where there are some, and several.
// So it does where a metric is not defined for targets, as far as they are known (else null).
void check_metrics(const Network::Impl& net, const Metrics& metrics, const AllTargets* targets);

}  // namespace backpass
