// A rule: the settings of an optimizer, checked, and what an update kernel reads of them.
#pragma once

#include <array>
#include <functional>

#include "backpass/optimizers.h"
#include "kernels/table.h"

namespace backpass {

// What weight_decay is where it is no step of its own.
inline constexpr const char* kCoupled = "added to the gradient as weight_decay * w";

// How matrices get a direction of their own, computed by ops: see muon.h.
struct Direction {
  double momentum = 0;
  bool nesterov = false, match_rms = false;
  int steps = 0;
};

struct Rule {
  kernels::UpdateRule kernel = kernels::UpdateRule::sgd;
  std::array<const char*, 3> slots = {};  // names of the arrays of state, each as large as the parameters; null: none
  kernels::UpdateSettings settings = {};  // beside the learning rate
  // Sets what depends on step t = 1, 2, ...; empty where nothing does. settings.learning_rate is that of the step.
  std::function<void(kernels::UpdateSettings& settings, std::int64_t t)> advance = {};
  double initial = 0;    // elements of the first slot
  bool by_rows = false;  // what has no gradient may be left as it is
  std::optional<Direction> direction = {};
  double learning_rate = 0;             // that it begins with
  std::optional<LBFGS> minimizer = {};  // makes no steps: runs a fit as iterations on all rows
};

// The rule of each, whose settings are within their ranges; those of the others are known in rules.cc alone.
Rule rule_of(const Adam& adam);
Rule rule_of(const AdamW& adamw);
Rule rule_of(const NAdam& nadam);
Rule rule_of(const RAdam& radam);
Rule rule_of(const Adamax& adamax);
Rule rule_of(const Muon& muon);
Rule rule_of(const LBFGS& lbfgs);

// Throws std::invalid_argument where the type is unknown or a setting is out of range.
Rule rule_of(const Description& description);
void check_learning_rate(const std::string& who, double value);

}  // namespace backpass
