// What a fit tells of its epochs: the columns of its history, and what is validated after each.
#pragma once

#include "backpass/trainer.h"
#include "train/data_parts.h"
#include "train/objective_impl.h"

namespace backpass {

constexpr const char *kPenaltyColumn = "weight_penalty", *kAddedColumn = "added_loss";

// The validation data of a fit; it may have none.
class HeldOut {
 public:
  HeldOut(Objective::Impl& objective, const FitOptions& options) : objective_(objective), options_(options) {}
  void check();                              // throws std::invalid_argument where it does not fit
  std::vector<std::string> columns() const;  // once it is checked
  void log(int threads, Logs& logs) const;

 private:
  Objective::Impl& objective_;
  const FitOptions& options_;
  AllTargets targets_;
  std::vector<CheckedSet> sets_;
};

// A history of no epochs, with the columns of a fit.
History empty_history(const Objective::Impl& objective, const FitOptions& options, const HeldOut& held_out,
                      const DataParts* parts = nullptr);
// Adds an epoch: its logs, in the order of the columns.
void append(History& history, const Logs& logs);

}  // namespace backpass
