// The loss and the metrics over rows that come in parts.
#pragma once

#include "train/gathered.h"

namespace backpass {

class Evaluation {
 public:
  // `fixed`: the targets where there is one part only; see Gathered.
  Evaluation(Trainer::Impl& trainer, const Metrics& metrics, int threads, const Targets* fixed, Dim rows);
  void add(const ArrayViews& x, const AllTargets& targets);
  Logs logs(const std::string& prefix) const;  // throws std::invalid_argument where there was no row

 private:
  Trainer::Impl& trainer_;
  const Metrics& metrics_;
  int threads_;
  Gathered gathered_;
  double total_ = 0, weight_ = 0;
  Dim rows_ = 0;
};

// "loss" and the metrics, each name after `prefix`.
Logs evaluate_arrays(Trainer::Impl& trainer, const ArrayViews& x, const AllTargets& targets, const Metrics& metrics,
                     int threads, const std::string& prefix);
// The same, chunk by chunk; each is checked as it comes.
Logs evaluate_stream(Trainer::Impl& trainer, const Stream& stream, const Metrics& metrics, int threads,
                     bool check_finite, const std::string& prefix);

}  // namespace backpass
