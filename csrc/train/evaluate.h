// The loss and the metrics over rows that come in parts.
#pragma once

#include "backpass/checkpoint.h"
#include "train/gathered.h"

namespace backpass {

// Adds the losses of a batch.
void add_losses(LossSums& to, const std::vector<HeadLoss>& heads);
// Of one term, by what its rows weigh; 0 where they weigh nothing.
double mean_of(const LossSums& sums, std::size_t term);
// The mean over all rows so far, by what they weigh; 0 where they weigh nothing. Of several outputs: their sum, each
// times its loss weight.
double mean_loss(const LossSums& sums, const Losses& losses);
// "loss" and, where there are several outputs, "loss_0" and so on, each name after `prefix`.
void log_losses(const LossSums& sums, const Losses& losses, const std::string& prefix, Logs& logs);

class Evaluation {
 public:
  // `fixed`: the targets where there is one part only; see Gathered. The metrics outlive this.
  Evaluation(Objective::Impl& objective, const Metrics& metrics, int threads, const Targets* fixed, Dim rows);
  void add(const ArrayViews& x, const AllTargets& targets);
  Logs logs(const std::string& prefix) const;  // throws std::invalid_argument where there was no row

 private:
  void add_tiles(const ArrayViews& x, const AllTargets& targets);

  Objective::Impl& objective_;
  bool predicts_;
  int threads_;
  Gathered gathered_;
  LossSums losses_;
  Dim rows_ = 0;
};

// "loss" and the metrics, each name after `prefix`.
Logs evaluate_arrays(Objective::Impl& objective, const ArrayViews& x, const AllTargets& targets, const Metrics& metrics,
                     int threads, const std::string& prefix);
// The same, chunk by chunk; each is checked as it comes.
Logs evaluate_stream(Objective::Impl& objective, const Stream& stream, const Metrics& metrics, int threads,
                     bool check_finite, const std::string& prefix);

}  // namespace backpass
