// Several data sets of one fit: a step draws a batch from each.
#pragma once

#include "backpass/checkpoint.h"
#include "train/accumulate.h"
#include "train/data_sets.h"
#include "train/feed.h"
#include "train/gathered.h"
#include "train/trainer_impl.h"
#include "train/transform.h"

namespace backpass {

// The optimizer is that of the fit.
struct DataPart : CheckedSet {
  std::unique_ptr<Trainer::Impl> trainer;
  Cut cut;
  std::unique_ptr<Feed> feed = {};
  bool passed = false;           // gone through once in this epoch
  Transformed transformed = {};  // its last batch
  Gathered gathered = {};        // what its metrics have of this epoch
  HeldGradients gradients = {};  // of its batches since the last update, where several make one
  double group_weight = 0;       // of their rows

  double weight() const { return set->weight; }
  bool predicts() const { return !metrics->empty(); }
};

class DataParts {
 public:
  using Ending = Objective::Impl::Ending;

  // Throws std::invalid_argument where a set does not fit, or the options ask for what several sets have not.
  DataParts(Trainer::Impl& trainer, const std::vector<DataSet>& sets, const FitOptions& options);

  std::size_t size() const { return parts_.size(); }
  DataPart& operator[](std::size_t i) { return parts_[i]; }
  const DataPart& operator[](std::size_t i) const { return parts_[i]; }
  // Whose rows are counted: a stream, or the one with the most batches.
  DataPart& lead() { return parts_[lead_]; }
  // How the walk of a part ends: the last one updates, from the sum of all gradients.
  Ending ending(std::size_t i) const;
  bool compile();  // all plans that are known before an epoch; whether workers share steps, as far as one knows
  // Each part has a stream of random numbers of its own; the first one's is that of a fit of a single set.
  void begin_epoch(std::uint64_t seed, std::uint64_t order);
  bool over();  // whether all parts have been gone through
  Feed::Batch next(std::size_t i);
  void skip(Dim batches);  // that were trained on before
  void add_settings(std::vector<std::pair<std::string, std::string>>& settings) const;
  // One of several batches of an update; the loss. Then: the gradients of all parts in the network's buffer.
  double accumulate(std::size_t i, const Feed::Batch& batch);
  void gather_gradients();

  std::vector<std::string> metric_columns() const;
  void log_metrics(Logs& logs) const;
  std::vector<Array> save_gathered() const;
  void load_gathered(std::vector<Array> arrays);
  void check_gathered(const std::vector<Array>& arrays) const;  // as Gathered::check

 private:
  std::unique_ptr<Feed> feed_of(const DataPart& part) const;

  std::vector<DataPart> parts_;
  const FitOptions& options_;
  std::size_t lead_ = 0;
};

// What all of them make: the sum of their means, each times its weight.
double mean_loss(const LossSums& sums, const DataParts& parts);
// "loss" and, where there are several, "loss_" and the name of each.
void log_losses(const LossSums& sums, const DataParts& parts, Logs& logs);

}  // namespace backpass
