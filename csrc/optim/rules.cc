// The rules, one function each; those of the Adams are in adam_rules.cc.
#include <cmath>

#include "base/error.h"
#include "optim/rule.h"

namespace backpass {
namespace {

using kernels::UpdateRule;
using kernels::UpdateSettings;

Rule sgd_rule(const Settings& s) {
  const double momentum = s.not_negative("momentum"), dampening = s.not_negative("dampening");
  const bool nesterov = s.flag("nesterov");
  if (nesterov && (momentum == 0 || dampening != 0)) fail("SGD", "nesterov needs a momentum above 0 and no dampening");
  Rule rule{UpdateRule::sgd,
            {momentum > 0 ? "momentum_buffer" : nullptr},
            {.weight_decay = s.not_negative("weight_decay"), .beta1 = momentum, .nesterov = nesterov}};
  rule.by_rows = momentum == 0;
  if (dampening != 0)  // the velocity begins as the first gradient
    rule.advance = [=](UpdateSettings& next, std::int64_t t) { next.fresh1 = t == 1 ? 1 : 1 - dampening; };
  return rule;
}

Rule rmsprop_rule(const Settings& s) {
  const double alpha = s.below_one("alpha"), eps = s.positive("eps"), momentum = s.not_negative("momentum");
  return {UpdateRule::rmsprop,
          {"square_avg", momentum > 0 ? "momentum_buffer" : nullptr, s.flag("centered") ? "grad_avg" : nullptr},
          {.weight_decay = s.not_negative("weight_decay"),
           .beta1 = momentum,
           .beta2 = alpha,
           .fresh2 = 1 - alpha,
           .eps = eps}};
}

// The kernel of RMSprop, with a sum in place of the mean.
Rule adagrad_rule(const Settings& s) {
  const double slower = s.not_negative("learning_rate_decay"), decay = s.not_negative("weight_decay");
  const double initial = s.not_negative("initial_accumulator_value");
  Rule rule{UpdateRule::rmsprop,
            {"sum"},
            {.weight_decay = decay, .beta2 = 1, .fresh2 = 1, .eps = s.positive("eps")},
            {},
            initial,
            true};
  rule.advance = [=](UpdateSettings& next, std::int64_t t) {
    next.step_size = next.learning_rate / (1 + static_cast<double>(t - 1) * slower);
  };
  return rule;
}

Rule adadelta_rule(const Settings& s) {
  const double rho = s.below_one("rho"), eps = s.positive("eps");
  return {UpdateRule::adadelta,
          {"square_avg", "acc_delta"},
          {.weight_decay = s.not_negative("weight_decay"), .beta2 = rho, .fresh2 = 1 - rho, .eps = eps}};
}

Rule lion_rule(const Settings& s) {
  const double beta1 = s.below_one("beta1", "betas"), beta2 = s.below_one("beta2", "betas");
  return {UpdateRule::lion,
          {"exp_avg"},
          {.weight_decay = s.not_negative("weight_decay"),
           .beta1 = beta1,
           .fresh1 = 1 - beta1,
           .beta2 = beta2,
           .fresh2 = 1 - beta2,
           .decoupled = true}};
}

constexpr std::pair<const char*, MakeRule> kRules[] = {
    {"SGD", &sgd_rule},           {"Adam", &adam_rule},     {"AdamW", &adamw_rule},     {"NAdam", &nadam_rule},
    {"RAdam", &radam_rule},       {"Adamax", &adamax_rule}, {"RMSprop", &rmsprop_rule}, {"Adagrad", &adagrad_rule},
    {"Adadelta", &adadelta_rule}, {"Lion", &lion_rule},     {"Muon", &muon_rule},
};

}  // namespace

std::vector<std::string> optimizer_types() {
  std::vector<std::string> types;
  for (const auto& rule : kRules) types.emplace_back(rule.first);
  return types;
}

Rule rule_of(const Description& description) {
  for (const auto& [type, make] : kRules)
    if (description.type == type) return make(Settings(description));
  fail("Optimizer", "there is none called ", description.type);
}

template <class T>
T Settings::get(const char* name) const {
  for (const auto& [key, value] : d_.attributes)
    if (key == name)
      if (const T* held = std::get_if<T>(&value)) return *held;
  fail(d_.type, name, " is missing");
}

double Settings::not_negative(const char* name) const {
  const double value = get<double>(name);
  if (!(value >= 0) || !std::isfinite(value)) fail(d_.type, name, " must be finite and not negative, got ", value);
  return value;
}

double Settings::positive(const char* name) const {
  const double value = get<double>(name);
  if (!(value > 0) || !std::isfinite(value)) fail(d_.type, name, " must be finite and above 0, got ", value);
  return value;
}

double Settings::below_one(const char* name, const char* called) const {
  const double value = get<double>(name);
  if (!(value >= 0 && value < 1)) fail(d_.type, called ? called : name, " must be at least 0 and below 1, got ", value);
  return value;
}

bool Settings::flag(const char* name) const { return get<bool>(name); }

std::int64_t Settings::count(const char* name) const {
  const std::int64_t value = get<std::int64_t>(name);
  if (value < 1 || value > 1000) fail(d_.type, name, " must be from 1 to 1000, got ", value);
  return value;
}

const std::string& Settings::text(const char* name) const {
  for (const auto& [key, value] : d_.attributes)
    if (key == name)
      if (const std::string* held = std::get_if<std::string>(&value)) return *held;
  fail(d_.type, name, " is missing");
}

}  // namespace backpass
