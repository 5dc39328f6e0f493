// When a fit keeps where it is.
#pragma once

#include <chrono>

#include "backpass/checkpoint.h"
#include "train/trainer_impl.h"

namespace backpass {

class Keeper {
 public:
  explicit Keeper(const Checkpointing& options);
  bool keeps() const { return options_.write || options_.read; }
  // Whether there was something to go on from; `check` is asked before anything changes.
  bool resume(Trainer::Impl& trainer, FitState& state, const std::function<void(const FitState&)>& check) const;
  // Asked after every batch, until it is done; `look`: whether to look at the clock.
  bool due(Dim batch, bool look);
  bool due_after(int epochs) const;
  void write(Trainer::Impl& trainer, FitState& state);
  void end(Trainer::Impl& trainer, FitState& state);  // what has changed since the last time

 private:
  using Clock = std::chrono::steady_clock;
  const Checkpointing& options_;
  Clock::time_point written_ = Clock::now();
  bool due_ = false;
  int written_epoch_ = -1;  // at its begin
  bool written_stopped_ = false;
};

// Throws std::invalid_argument where a checkpoint that belongs to this fit is damaged. x: what is trained on, as far as
// it is known; `sums`: of how many losses.
void check_sums(const FitState& written, std::size_t sums, const ArrayViews* x);
// The same of what metrics have gathered; `in_place`: the targets whose rows keep their places in Gathered, or null.
void check_gathered(const FitState& written, const Trainer::Impl& trainer, const Targets* in_place,
                    const Metrics& metrics);

}  // namespace backpass
