// Data sets, checked: rows with a loss, a weight and metrics of their own.
#pragma once

#include "train/objective_impl.h"

namespace backpass {

struct CheckedSet {
  const DataSet* set;
  const Metrics* metrics;  // its own, or those of all
  std::string name;        // its own, or its number
  std::shared_ptr<Objective::Impl> objective;
  AllTargets targets = {};  // of arrays

  bool streams() const { return set->stream.has_value(); }
};

// The penalties on weights are those of the first set. Throws std::invalid_argument, with `what` and the name of the
// set, where one does not fit. Sets and metrics outlive what this gives.
std::vector<CheckedSet> checked_sets(const Objective::Impl& of_all, const std::vector<DataSet>& sets,
                                     const Metrics& metrics, bool check_finite, const char* what = "data set ");
// What is called has the name of a set in its errors.
template <class Call>
auto naming(const std::string& set, Call call, const char* what = "data set ") try {
  return call();
} catch (const std::invalid_argument& error) {
  throw std::invalid_argument(std::string(error.what()) + ", in " + what + set);
}

// "accuracy_boundary", of several sets.
std::string column_of(const std::string& column, const CheckedSet& set, bool alone);
// Outside of training: the columns, and their values.
std::vector<std::string> columns_of(const std::vector<CheckedSet>& sets, const std::string& prefix);
Logs evaluate_sets(const std::vector<CheckedSet>& sets, int threads, bool check_finite, const std::string& prefix);

}  // namespace backpass
