// What metrics have of the rows so far: a tally where they follow from one, else predictions beside their targets.
#pragma once

#include "train/column.h"
#include "train/metrics.h"
#include "train/objective_impl.h"

namespace backpass {

class Gathered {
 public:
  // `fixed`: targets of arrays, whose rows keep their places. Null: rows come by, and are appended with their targets.
  // The metrics outlive this.
  void begin(const Network::Impl& net, const Metrics& metrics, const Targets* fixed, Dim rows);
  void add(const Objective::Impl::Batch& batch, const ArrayView& predictions);
  void skip(const Objective::Impl::Batch& batch);  // its rows were added before the arrays were saved
  void compute(const std::string& prefix, Logs& logs) const;
  // As arrays, and back: the tallies one after the other, then predictions, then targets, where they are kept.
  std::vector<Array> save() const;
  void load(const std::vector<Array>& arrays);
  // How many arrays that is.
  static std::size_t arrays_of(const Metrics& metrics, const Network::Impl& net, bool fixed);
  // Throws std::invalid_argument where arrays from elsewhere are not what save() gives: of `fixed` targets for as many
  // rows, else for `rows` rows.
  static void check(const std::vector<Array>& arrays, const Objective::Impl& objective, const Metrics& metrics,
                    const Targets* fixed, Dim rows);

 private:
  struct Entry {
    const std::pair<std::string, Metric>* asked;
    const NamedMetric* tallied;  // null: needs all rows
    std::size_t columns;         // of predictions
    std::vector<double> tally;
  };
  static std::vector<Entry> entries(const Metrics& metrics, const Network::Impl& net);
  static bool need_rows(const std::vector<Entry>& entries);
  void keep_rows(const Objective::Impl::Batch& batch, const ArrayView& predictions);
  double of_rows(const Metric& metric) const;

  std::vector<Entry> entries_;
  const Targets* fixed_ = nullptr;
  std::vector<std::int64_t> seen_;  // rows of `fixed` so far
  Column predictions_, targets_;
};

}  // namespace backpass
