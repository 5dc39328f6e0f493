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

 private:
  const Targets* fixed_ = nullptr;
  Column predictions_, targets_;
};

}  // namespace backpass
