// Groups: which parameters are updated with which settings.
#pragma once

#include "backpass/optimizers.h"
#include "plan/calls.h"

namespace backpass {

// Whether '*' (anything) and '?' (one character) can be filled in so that the pattern is the name.
bool matches(std::string_view pattern, std::string_view name);

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
  // Every parameter with its entry in the table; neighbours of equal entries are one segment. Throws
  // std::invalid_argument where a pattern matches no parameter.
  std::vector<Segment> segments(const std::vector<ParameterInfo>& parameters) const;

 private:
  struct Entry {
    std::string pattern;
    int settings, spared;  // of matrices, and of other parameters: places in the table
  };
  void check_patterns(const std::vector<ParameterInfo>& parameters) const;
  int place(const GroupSettings& settings);  // in the table

  std::string type_;
  std::vector<GroupSettings> table_;
  std::vector<Entry> entries_;  // the last matches everything
};

}  // namespace backpass
