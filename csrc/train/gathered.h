// Predictions beside their targets, for metrics over all rows.
#pragma once

#include "train/column.h"
#include "train/trainer_impl.h"

namespace backpass {

class Gathered {
 public:
  // `fixed`: targets of arrays, whose rows keep their places. Null: rows come by, and are appended with their targets.
  void begin(const Network::Impl& net, const Targets* fixed, Dim rows);
  void add(const Trainer::Impl::Batch& batch, const ArrayView& predictions);
  void compute(const Metrics& metrics, const std::string& prefix, Logs& logs) const;
  // As arrays, and back.
  std::vector<Array> save() const;
  void load(const std::vector<Array>& arrays);
  // Throws std::invalid_argument where arrays from elsewhere are not what save() gives: of `fixed` targets for as many
  // rows, else for `rows` rows.
  static void check(const std::vector<Array>& arrays, const Trainer::Impl& trainer, const Targets* fixed, Dim rows);

 private:
  const Targets* fixed_ = nullptr;
  Column predictions_, targets_;
};

}  // namespace backpass
