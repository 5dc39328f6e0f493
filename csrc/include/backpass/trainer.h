// Training: steps and epochs without leaving native code.
#pragma once

#include <functional>

#include "backpass/averages.h"
#include "backpass/data.h"
#include "backpass/losses.h"
#include "backpass/network.h"
#include "backpass/optimizers.h"
#include "backpass/penalties.h"

namespace backpass {

// fit met a loss, a gradient or an update that is not finite. The network keeps the weights from before that step, and
// the optimizer its state.
class DivergedError : public std::runtime_error {
 public:
  DivergedError(int epoch, Dim batch, std::string layer);
  int epoch;  // both from 0
  Dim batch;
  std::string layer;  // the first whose output is not finite: "Dense 2"; or "the loss", "the gradient", "the update"
};

struct History {
  std::vector<std::pair<std::string, std::vector<double>>> columns;      // "loss", "val_loss", "accuracy", ...
  const std::vector<double>& operator[](const std::string& name) const;  // throws std::out_of_range
};

using Logs = std::vector<std::pair<std::string, double>>;
// The value of a metric over all rows: targets as given, predictions as the network's dtype. For networks of one
// output. What metric() returns is recognised where it follows from sums: fit and evaluate add it up batch by batch and
// keep no predictions for it; a function around it is called with all rows.
using Metric = std::function<double(const ArrayView& y_true, const ArrayView& y_pred)>;
using Metrics = std::vector<std::pair<std::string, Metric>>;

// One batch as arrays of its own, of the network's type; labels are int32.
struct BatchArrays {
  std::vector<Array> x, y;  // by input, by output
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
  // Augmentation: changes a copy of the batch's rows before its step, their number excepted. What is random in it shall
  // follow from (seed, step) alone: then the same seed gives the same bits.
  std::function<void(BatchArrays& batch, std::uint64_t seed, std::uint64_t step)> transform;
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
  Metrics metrics = {};                          // see metric()
  std::optional<std::uint64_t> seed = {};        // of shuffling and dropout; absent: goes on in the network's stream
  int threads = 0;                               // 0: the default
  bool check_finite = true;
  std::vector<Average> averages = {};  // of the weights, taken on the way
  FitHooks hooks = {};
  Checkpointing checkpoint = {};
};

struct TrainerOptions {
  int threads = 0;
  // Values of the forward pass are kept at about sqrt(layers) places; what lies between is computed again when the
  // backward pass comes to it. The same bits, in less memory and more time (Chen et al. 2016);
  // with activation_dtype others: fewer values are kept, and so rounded.
  bool recompute = false;
  // What is kept for the backward pass is rounded, arithmetic, sums and weights stay float32. bfloat16: to 8 binary
  // digits, half the memory; int8: to 255 steps, as far apart for each 128 neighbours as their largest needs, a
  // quarter. Absent: nothing is rounded.
  std::optional<ElementType> activation_dtype = {};
  // Added to the loss in training: to what step returns and fit reports as "loss", which also has a column
  // "weight_penalty". evaluate and validation tell the loss of the data alone.
  std::vector<Penalty> weight_penalty = {};
  // Makes the update, from the gradients in the network's buffer and by hand, in place of optimizer.step(): for
  // optimizers of one's own that are not composed of operations. It counts its steps (optimizer.count_step()); false,
  // or a NotFiniteError, tells that the update would not be finite, and that nothing was changed. What else it throws
  // passes on.
  std::function<bool(Network&, Optimizer&)> update = {};
};

// A network, its losses and an optimizer, with plans by batch size. A shared handle.
class Trainer {
 public:
  Trainer(Network network, Losses losses, Optimizer optimizer, TrainerOptions options = {});

  // One forward, backward and update; the loss before the update. A loss that is not finite updates nothing; nan where
  // the gradient is not finite, or a parameter or the optimizer's state would not be: then nothing is updated, too.
  double step(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {});
  // Throws what step would throw at these arrays, and runs nothing; the number of rows.
  Dim check(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {});
  History fit(const TrainingData& data, const FitOptions& options = {});
  History fit(const ArrayViews& x, const ArrayViews& y, const FitOptions& options = {}) {
    return fit(TrainingData{x, y, {}}, options);
  }
  History fit(const Stream& data, const FitOptions& options = {});
  void stop();  // ends fit after the current batch; for hooks
  // "loss" and the metrics; threads 0: the default.
  Logs evaluate(const TrainingData& data, const Metrics& metrics = {});
  Logs evaluate(const Stream& data, const Metrics& metrics = {}, bool check_finite = true);
  // The loss and the gradients (into the network's gradient buffer) without an update.
  double gradients(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {},
                   std::int64_t random_step = -1);

  PlanInfo plan(Dim batch_size);
  PlanInfo profile(Dim batch_size, int repeats = 20);
  std::size_t memory_estimate(Dim batch_size);

  struct Impl;

 private:
  Handle<Impl, "Trainer"> impl_;
};

// A metric of what a network trained with `loss` predicts; throws std::invalid_argument that lists the names. Each row
// counts once, whatever its weight; rows whose label the loss ignores do not count. As scikit-learn defines them:
// - "accuracy", "balanced_accuracy", "precision", "recall", "f1": of the class decided for: the largest output, or yes
//   or no of one output (and each of BinaryCrossEntropy). Of class 1 where there are two classes, else the mean over
//   classes.
// - "top_k" for a number k, such as "top_5": whether the k largest outputs hold the class.
// - "auc": area under the ROC curve; of several classes the mean of each against the rest; nan where one is missing.
// - "log_loss": -log of the probability given to the class.
// - "mae", "mse", "rmse", "max_error": over all elements; "r2": mean over outputs.
// Targets of yes and no are 0 and 1, told apart at 0.5 (logits at 0), or -1 and 1, told apart at 0; rows of several
// columns have one class: a single 1 among 0 or -1, or probabilities. Other targets are refused for all but errors
// (std::invalid_argument), and so is what depends on more than Loss::output_kind tells: decisions about 0 and 1 by
// `unknown` outputs outside [0, 1]; "log_loss", and "auc" of several `unknown` outputs, of what are no probabilities.
Metric metric(const std::string& name, const Loss& loss = MSE{});
// What a metric of one's own is shown of targets and predictions, which mean what the loss takes them for. `labels`:
// the class decided for and that of the target, as int32 (rows,), or 0 and 1 in the shape (rows, outputs) where there
// are several yes-no outputs. `probabilities`: targets as labels, and the probability of each class (rows, classes), or
// of yes. Of these two, rows whose label the loss ignores are left out.
enum class MetricInput : unsigned char { outputs, labels, probabilities };
// Throws std::invalid_argument, where it is called, for probabilities of a loss that tells none.
Metric metric(Metric function, MetricInput input, const Loss& loss);
// Whether more is better in a column of the history: of "val_accuracy" or "auc_0", not of "loss", "rmse" or one's own.
bool metric_rises(const std::string& column);

// The product of the loss's Hessian by `vector` (n_parameters), at the network's parameters.
Array hvp(Network& network, const Losses& losses, const ArrayViews& x, const ArrayViews& y, const ArrayView& vector,
          std::int64_t random_step = -1, const ArrayView& sample_weight = {});

}  // namespace backpass
