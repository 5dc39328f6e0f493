// The loss and the metrics over rows that come in parts.
#pragma once

#include "train/gathered.h"

namespace backpass {

// The mean loss of each output over batches of rows, by what its rows weigh; 0 where they weigh nothing.
class HeadLosses {
 public:
  explicit HeadLosses(std::size_t outputs) : sums_(outputs), weights_(outputs) {}
  void add(std::size_t output, double loss, double weight);
  // "loss" and, where there are several outputs, "loss_0" and so on, each name after `prefix`.
  void log(const Losses& losses, const std::string& prefix, Logs& logs) const;

 private:
  double mean(std::size_t output) const { return weights_[output] > 0 ? sums_[output] / weights_[output] : 0; }
  std::vector<double> sums_, weights_;
};

class Evaluation {
 public:
  // `fixed`: the targets where there is one part only; see Gathered. The metrics outlive this.
  Evaluation(Trainer::Impl& trainer, const Metrics& metrics, int threads, const Targets* fixed, Dim rows);
  void add(const ArrayViews& x, const AllTargets& targets);
  Logs logs(const std::string& prefix) const;  // throws std::invalid_argument where there was no row

 private:
  void add_tiles(const ArrayViews& x, const AllTargets& targets);

  Trainer::Impl& trainer_;
  bool predicts_;
  int threads_;
  Gathered gathered_;
  HeadLosses heads_;
  Dim rows_ = 0;
};

// "loss" and the metrics, each name after `prefix`.
Logs evaluate_arrays(Trainer::Impl& trainer, const ArrayViews& x, const AllTargets& targets, const Metrics& metrics,
                     int threads, const std::string& prefix);
// The same, chunk by chunk; each is checked as it comes.
Logs evaluate_stream(Trainer::Impl& trainer, const Stream& stream, const Metrics& metrics, int threads,
                     bool check_finite, const std::string& prefix);

}  // namespace backpass
