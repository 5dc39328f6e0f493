// Training: steps and epochs without leaving native code.
#pragma once

#include <functional>

#include "backpass/averages.h"
#include "backpass/objective.h"
#include "backpass/optimizers.h"

namespace backpass {

// fit met a loss, a gradient or an update that is not finite. The network keeps the weights from before that step, and
// the optimizer its state.
class DivergedError : public std::runtime_error {
 public:
  DivergedError(int epoch, Dim batch, std::string layer);
  DivergedError(int epoch, std::string what);  // where a fit has no batches: "the loss" or "the gradient"
  int epoch;                                   // both from 0
  Dim batch;
  std::string layer;  // the first whose output is not finite: "Dense 2"; or "the loss", "the gradient", "the update"
};

struct History {
  std::vector<std::pair<std::string, std::vector<double>>> columns;      // "loss", "val_loss", "accuracy", ...
  const std::vector<double>& operator[](const std::string& name) const;  // throws std::out_of_range
};

// Called at the boundaries that somebody asked for; an empty function costs nothing.
// An exception ends fit, which leaves a usable network, and passes on.
struct FitHooks {
  std::function<void(int epoch)> epoch_begin;
  std::function<void(int epoch, const Logs&)> epoch_end;
  std::function<void(Dim batch)> batch_begin;
  std::function<void(Dim batch, double loss)> batch_end;
  std::function<void(Dim rows_done, double mean_loss)> progress;  // by the clock, every 50 ms or so
  std::function<void()> interrupt;                                // likewise: throws where fit shall end
  std::function<void(const std::string&)> warning;                // what went on, and may not be what was wanted
  // The order of an epoch's rows, each once, in place of shuffling them: of arrays, not of streams or several data sets.
  std::function<std::vector<std::int64_t>(Dim rows)> order;
  BatchTransform transform;                                       // augmentation
};

struct FitState;
// When a fit keeps where it is, and how it goes on; see checkpoint.h.
struct Checkpointing {
  std::function<void(const Network&, const Optimizer&, const FitState&)> write;  // absent: never
  Dim every_batches = 0;                                                         // 0: not by their number
  int every_epochs = 1;                                                          // likewise
  double every_seconds = 0;                                                      // likewise
  // Puts network, optimizer and state back; false where there is nothing to go on from. Called once, before the first
  // step; compares state.settings with what was written. What it throws ends fit with nothing changed.
  std::function<bool(Network&, Optimizer&, FitState&)> read;
};

struct FitOptions {
  int epochs = 1;
  Dim batch_size = 32;
  Dim accumulate = 1;  // batches of one update: the same as one batch of so many rows, batch_size apiece
  bool shuffle = true;
  bool drop_last = false;  // whether rows at the end of an epoch that fill no batch are left out
  std::optional<TrainingData> validation_data = {};
  std::optional<Stream> validation_stream = {};  // instead
  std::vector<DataSet> validation_sets = {};     // instead
  Metrics metrics = {};                          // see metric()
  std::optional<std::uint64_t> seed = {};        // of shuffling and dropout; absent: goes on in the network's stream
  int threads = 0;                               // 0: the default
  bool check_finite = true;
  std::vector<Average> averages = {};  // of the weights, taken on the way
  FitHooks hooks = {};
  Checkpointing checkpoint = {};
};

// The first four are those of ObjectiveOptions.
struct TrainerOptions {
  int threads = 0;
  bool recompute = false;
  std::optional<ElementType> activation_dtype = {};
  std::vector<Penalty> weight_penalty = {};
  // Makes the update, from the gradients in the network's buffer and by hand, in place of optimizer.step(): for
  // optimizers of one's own that are not composed of operations. It counts its steps (optimizer.count_step()); false,
  // or a NotFiniteError, tells that the update would not be finite, and that nothing was changed. What else it throws
  // passes on.
  std::function<bool(Network&, Optimizer&)> update = {};
};

// An objective and an optimizer. A shared handle.
class Trainer {
 public:
  Trainer(Network network, Losses losses, Optimizer optimizer, TrainerOptions options = {});
  // With `update` as TrainerOptions have it. Throws std::invalid_argument for an objective that the optimizer does not
  // take.
  Trainer(Objective objective, Optimizer optimizer, std::function<bool(Network&, Optimizer&)> update = {});

  // One forward, backward and update; the loss before the update. A loss that is not finite updates nothing; nan where
  // the gradient is not finite, or a parameter or the optimizer's state would not be: then nothing is updated, too.
  double step(const TrainingData& data);
  double step(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {}) {
    return step({x, y, sample_weight});
  }
  History fit(const TrainingData& data, const FitOptions& options = {});
  History fit(const ArrayViews& x, const ArrayViews& y, const FitOptions& options = {}) {
    return fit(TrainingData{x, y, {}}, options);
  }
  History fit(const Stream& data, const FitOptions& options = {});
  // A step draws a batch from each set, and updates by the gradient of the sum of their losses, each times its weight.
  // An epoch lasts until all sets have been gone through; one that is over before begins again, in another order.
  // Validation rows that are no sets have the losses of the trainer. Throws std::invalid_argument for hooks.transform,
  // which a set has itself.
  History fit(const std::vector<DataSet>& sets, const FitOptions& options = {});
  void stop();  // ends fit after the current batch; for hooks

  // What it trains: evaluates and computes gradients, by the same plans. What follows is short for its methods.
  Objective objective() const;
  Dim check(const TrainingData& data);
  Dim check(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {}) {
    return check({x, y, sample_weight});
  }
  Logs evaluate(const TrainingData& data, const Metrics& metrics = {});
  Logs evaluate(const Stream& data, const Metrics& metrics = {}, bool check_finite = true);
  Logs evaluate(const std::vector<DataSet>& sets, const Metrics& metrics = {}, bool check_finite = true);
  double gradients(const TrainingData& data, std::int64_t random_step = -1);
  double gradients(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {},
                   std::int64_t random_step = -1) {
    return gradients({x, y, sample_weight}, random_step);
  }

  PlanInfo plan(Dim batch_size);
  PlanInfo profile(Dim batch_size, int repeats = 20);
  std::size_t memory_estimate(Dim batch_size);

  struct Impl;

 private:
  Handle<Impl, "Trainer"> impl_;
};

}  // namespace backpass
