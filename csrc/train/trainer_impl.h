// What a trainer holds, and the walks that it makes.
#pragma once

#include "backpass/trainer.h"
#include "nn/network_impl.h"
#include "nn/targets.h"
#include "optim/state.h"

namespace backpass {

struct Trainer::Impl {
  Network network;
  Loss loss;
  Optimizer optimizer;
  int threads;
  Workspace workspace;
  bool stopped = false;

  // One batch of rows of some data.
  struct Batch {
    const ArrayView* x;
    const Targets* targets;
    const std::int64_t* rows;  // null: the first `count` ones
    Dim count;
    std::uint64_t seed, step;
    int threads;
    bool predict = false;  // keep the predictions
  };

  Network::Impl& net() const { return network.impl(); }
  PlanSpec training_spec(Dim batch, const Targets& targets, bool predict) const;
  PlanSpec evaluation_spec(Dim batch, const Targets& targets) const;
  Plan& training_plan(Dim batch, const Targets& targets, bool predict);
  Plan& evaluation_plan(Dim batch, const Targets& targets);

  // Forward, loss, backward and, unless `last` is earlier, update. Returns the loss.
  double walk(Plan& plan, const Batch& batch, Phase last);
  double train(const Batch& batch);  // a full step; counts it where the loss is finite
  const std::byte* at(Place place) const { return workspace.arena() + place.offset; }
  double scalar(Place place) const;  // of a plan's output
  double evaluate(const ArrayView& x, const Targets& targets, int threads_, Array* predictions);
};

// Checks x and y together: as many rows, and what the network takes. Throws std::invalid_argument.
Targets check_data(const Trainer::Impl& trainer, const TrainingData& data);
// Throws std::invalid_argument where a value is not finite, or not finite as the network's dtype.
void check_finite_data(const char* what, const ArrayView& view, DType dtype);

}  // namespace backpass
