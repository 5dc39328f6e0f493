// Groups: which parameters are updated with which settings.
#pragma once

#include "backpass/optimizers.h"
#include "plan/calls/calls.h"

namespace backpass {

// What may differ between parameters.
struct GroupSettings {
  double rate = 1;  // times the optimizer's learning rate
  double weight_decay = 0;
  bool operator==(const GroupSettings&) const = default;
};

class Groups {
 public:
  // `base`: the optimizer's own. Throws std::invalid_argument where a group's settings are out of range.
  Groups(const std::string& type, const OptimizerOptions& options, double learning_rate, double weight_decay);

  const std::vector<GroupSettings>& table() const { return table_; }
  // Throws std::invalid_argument where a pattern matches no parameter.
  void check(const std::vector<ParameterInfo>& parameters) const;
  int settings_of(const ParameterInfo& parameter) const;  // its place in the table
  // Every parameter with its place in the table; neighbours of equal places are one segment.
  std::vector<Segment> segments(const std::vector<ParameterInfo>& parameters) const;

 private:
  struct Entry {
    std::string pattern;
    int settings, spared;  // of matrices, and of other parameters: places in the table
  };
  int place(const GroupSettings& settings);  // in the table

  std::string type_;
  std::vector<GroupSettings> table_;
  std::vector<Entry> entries_;  // the last matches everything
};

}  // namespace backpass
