// The loss of a network over rows, as a function of its parameters: what an optimizer minimises.
#pragma once

#include "backpass/data.h"
#include "backpass/metrics.h"
#include "backpass/network.h"
#include "backpass/penalties.h"

namespace backpass {

struct ObjectiveOptions {
  int threads = 0;  // 0: the default
  // Values of the forward pass are kept at about sqrt(layers) places; what lies between is computed again when the
  // backward pass comes to it. The same bits, in less memory and more time (Chen et al. 2016);
  // with activation_dtype others: fewer values are kept, and so rounded.
  bool recompute = false;
  // What is kept for the backward pass is rounded, arithmetic, sums and weights stay float32. bfloat16: to 8 binary
  // digits, half the memory; int8: to 255 steps, as far apart for each 128 neighbours as their largest needs, a
  // quarter. Absent: nothing is rounded.
  std::optional<ElementType> activation_dtype = {};
  // Added to the loss in training: to what step and gradients return and fit reports as "loss", which also has a column
  // "weight_penalty". evaluate and validation tell the loss of the data alone.
  std::vector<Penalty> weight_penalty = {};
};

// One of several data sets of a fit or an evaluation, with a loss, a batch size and a weight of its own: the boundary
// and the interior of a differential equation, rows with labels and without.
struct DataSet {
  TrainingData data = {};
  std::optional<Losses> losses = {};    // absent: those of the trainer
  Dim batch_size = 0;                   // 0: that of the fit
  double weight = 1;                    // of its loss in the sum
  std::string name = {};                // of its columns in the history: "loss_boundary"; empty: its number
  std::optional<Stream> stream = {};    // in place of data
  std::optional<Metrics> metrics = {};  // absent: those of the fit
  BatchTransform transform = {};
};

// A network and its losses, with plans by batch size; needs no optimizer. A shared handle.
class Objective {
 public:
  // Throws std::invalid_argument where losses, penalties or options do not fit the network.
  Objective(Network network, Losses losses, ObjectiveOptions options = {});

  // Throws what the others would throw at these arrays, and runs nothing; the number of rows.
  Dim check(const TrainingData& data) const;
  Dim check(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {}) const {
    return check({x, y, sample_weight});
  }
  // The loss in training, and its gradients into the network's gradient buffer. `random_step` numbers the random
  // numbers (dropout); -1: the next of the network's stream.
  double gradients(const TrainingData& data, std::int64_t random_step = -1);
  double gradients(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight = {},
                   std::int64_t random_step = -1) {
    return gradients({x, y, sample_weight}, random_step);
  }
  // The product of the Hessian by `vector`, both (n_parameters), of the network's dtype (Pearlmutter 1994).
  Array hvp(const TrainingData& data, const ArrayView& vector, std::int64_t random_step = -1);
  Array hvp(const ArrayViews& x, const ArrayViews& y, const ArrayView& vector, const ArrayView& sample_weight = {},
            std::int64_t random_step = -1) {
    return hvp({x, y, sample_weight}, vector, random_step);
  }
  // "loss" and the metrics over all rows, outside of training.
  Logs evaluate(const TrainingData& data, const Metrics& metrics = {});
  Logs evaluate(const Stream& data, const Metrics& metrics = {}, bool check_finite = true);
  // "loss", the sum of the losses of all sets, each times its weight; where there are several, "loss_" and the name of
  // each, and the metrics likewise: "accuracy_boundary".
  Logs evaluate(const std::vector<DataSet>& sets, const Metrics& metrics = {}, bool check_finite = true);

  struct Impl;
  explicit Objective(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  Impl& impl() const { return *impl_; }

 private:
  Handle<Impl, "Objective"> impl_;
};

// The product of the loss's Hessian by `vector` (n_parameters), at the network's parameters.
Array hvp(Network& network, const Losses& losses, const ArrayViews& x, const ArrayViews& y, const ArrayView& vector,
          std::int64_t random_step = -1, const ArrayView& sample_weight = {});

}  // namespace backpass
