// Several data sets of one fit: a step draws a batch from each.
#pragma once

#include "backpass/checkpoint.h"
#include "train/feed.h"
#include "train/trainer_impl.h"

namespace backpass {

// Its losses over its rows. The optimizer is that of the fit; the penalties on weights are those of the first part.
struct DataPart {
  std::unique_ptr<Trainer::Impl> trainer;
  const ArrayViews* x;
  AllTargets targets;
  Cut cut;
  double weight;
  std::string name;  // "0", or its own
  std::unique_ptr<ArrayFeed> feed = {};
};

class DataParts {
 public:
  using Ending = Objective::Impl::Ending;

  // Throws std::invalid_argument where a set does not fit, or the options ask for what several sets have not.
  DataParts(Trainer::Impl& trainer, const std::vector<DataSet>& sets, const FitOptions& options);

  std::size_t size() const { return parts_.size(); }
  DataPart& operator[](std::size_t i) { return parts_[i]; }
  const DataPart& operator[](std::size_t i) const { return parts_[i]; }
  DataPart& lead() { return parts_[lead_]; }  // the one with the most batches: it says when an epoch is over
  // How the walk of a part ends: the last one updates, from the sum of all gradients.
  Ending ending(std::size_t i) const;
  bool compile();  // all plans that an epoch needs; whether workers share steps
  // Each part has a stream of random numbers of its own; the first one's is that of a fit of a single set.
  void begin_epoch(std::uint64_t seed, std::uint64_t order);
  void skip(Dim batches);  // that were trained on before
  void add_settings(std::vector<std::pair<std::string, std::string>>& settings) const;

 private:
  DataPart made(Trainer::Impl& trainer, const DataSet& set, const FitOptions& options, std::size_t i) const;
  void check_names() const;

  std::vector<DataPart> parts_;
  std::size_t lead_ = 0;
};

// What all of them make: the sum of their means, each times its weight.
double mean_loss(const LossSums& sums, const DataParts& parts);
// "loss" and, where there are several, "loss_" and the name of each.
void log_losses(const LossSums& sums, const DataParts& parts, Logs& logs);

}  // namespace backpass
