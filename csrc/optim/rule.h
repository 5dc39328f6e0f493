// A rule: the settings of an optimizer, checked, and what an update kernel reads of them.
#pragma once

#include <array>
#include <functional>

#include "backpass/optimizers.h"
#include "kernels/table.h"

namespace backpass {

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
};

// Settings by name, each once; throws std::invalid_argument where one is missing or out of range.
class Settings {
 public:
  explicit Settings(const Description& description) : d_(description) {}
  double not_negative(const char* name) const;
  double positive(const char* name) const;
  // And not negative; `called`: what the user knows it by.
  double below_one(const char* name, const char* called = nullptr) const;
  bool flag(const char* name) const;
  std::int64_t count(const char* name) const;  // at least 1
  const std::string& text(const char* name) const;

 private:
  template <class T>
  T get(const char* name) const;
  const Description& d_;
};

using MakeRule = Rule (*)(const Settings&);
Rule adam_rule(const Settings& s);
Rule adamw_rule(const Settings& s);
Rule nadam_rule(const Settings& s);
Rule radam_rule(const Settings& s);
Rule adamax_rule(const Settings& s);
Rule muon_rule(const Settings& s);

// The rule of a description; throws std::invalid_argument where its type is unknown or a setting is out of range.
Rule rule_of(const Description& description);
void check_learning_rate(const std::string& who, double value);

}  // namespace backpass
