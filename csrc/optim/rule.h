// A rule: the settings of an optimizer, checked, and what an update kernel reads of them.
#pragma once

#include "backpass/optimizers.h"
#include "kernels/table.h"

namespace backpass {

struct Rule {
  const char* type;  // "AdamW"
  kernels::UpdateRule kernel;
  int slots;              // arrays of state, each as large as the parameters
  Attributes attributes;  // beside learning_rate, which the settings hold
  kernels::UpdateSettings settings;
};

// Throw std::invalid_argument where a setting is out of range.
Rule rule_of(const SGD& sgd);
Rule rule_of(const Adam& adam);
Rule rule_of(const AdamW& adamw);
Rule rule_of(const RMSprop& rmsprop);

void check_learning_rate(const char* who, double value);

}  // namespace backpass
