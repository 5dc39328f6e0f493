// The rules of Adam and its kin: what they share, and what each step corrects.
#include <cmath>

#include "base/error.h"
#include "optim/rule.h"

namespace backpass {
namespace {

using kernels::UpdateRule;
using kernels::UpdateSettings;

// Two moments; `advance` is left to each.
Rule moments(const Settings& s, UpdateRule kernel) {
  const double beta1 = s.below_one("beta1", "betas"), beta2 = s.below_one("beta2", "betas"), eps = s.positive("eps");
  return {kernel,
          {"exp_avg", "exp_avg_sq"},
          {.weight_decay = s.not_negative("weight_decay"),
           .beta1 = beta1,
           .fresh1 = 1 - beta1,
           .beta2 = beta2,
           .fresh2 = 1 - beta2,
           .eps = eps}};
}

// What a running mean that began at zero lacks after t steps.
double correction(double beta, std::int64_t t) { return 1 - std::pow(beta, static_cast<double>(t)); }

void correct(UpdateSettings& next, std::int64_t t) {
  next.step_size = next.learning_rate / correction(next.beta1, t);
  next.root = std::sqrt(correction(next.beta2, t));
}

// Without a second moment where its variance is not tractable (Liu et al. 2020).
void rectify(UpdateSettings& next, std::int64_t t) {
  correct(next, t);
  const double root = std::exchange(next.root, 1.0), limit = 2 / (1 - next.beta2) - 1;
  const double length = limit - 2 * static_cast<double>(t) * (1 - root * root) / (root * root);
  next.rectified = length > 5;
  if (next.rectified)
    next.step_size *= root * std::sqrt((length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length));
}

// NAdam's momentum grows from step to step, and its steps need the product of all so far.
class Lookahead {
 public:
  explicit Lookahead(double decay) : decay_(decay) {}

  void operator()(UpdateSettings& next, std::int64_t t) {
    if (t <= steps_) *this = Lookahead(decay_);
    while (steps_ < t - 1) product_ *= momentum(next, ++steps_);
    const double now = momentum(next, t), ahead = momentum(next, t + 1), product = product_ * now;
    next.step_size = next.learning_rate * ahead / (1 - product * ahead);
    next.gradient_step = next.learning_rate * (1 - now) / (1 - product);
    next.root = std::sqrt(correction(next.beta2, t));
  }

 private:
  double momentum(const UpdateSettings& settings, std::int64_t t) const {
    return settings.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(t) * decay_));
  }

  double decay_, product_ = 1;
  std::int64_t steps_ = 0;  // that the product is of
};

}  // namespace

Rule adam_rule(const Settings& s) {
  const bool amsgrad = s.flag("amsgrad");
  Rule rule = moments(s, amsgrad ? UpdateRule::amsgrad : UpdateRule::adam);
  if (amsgrad) rule.slots[2] = "max_exp_avg_sq";
  rule.advance = correct;
  rule.by_rows = true;
  return rule;
}

Rule adamw_rule(const Settings& s) {
  Rule rule = adam_rule(s);
  rule.settings.decoupled = true;
  return rule;
}

// AdamW for what is no matrix.
Rule muon_rule(const Settings& s) {
  Rule rule = moments(s, UpdateRule::adam);
  rule.settings.decoupled = true;
  rule.advance = correct;
  const std::string& adjust = s.text("adjust");
  if (adjust != "original" && adjust != "match_rms_adamw")
    fail("Muon", "adjust must be one of original, match_rms_adamw, got \"", adjust, '"');
  rule.direction = {s.below_one("momentum"), s.flag("nesterov"), adjust == "match_rms_adamw",
                    static_cast<int>(s.count("steps"))};
  return rule;
}

Rule nadam_rule(const Settings& s) {
  Rule rule = moments(s, UpdateRule::nadam);
  rule.advance = Lookahead(s.not_negative("momentum_decay"));
  return rule;
}

Rule radam_rule(const Settings& s) {
  Rule rule = moments(s, UpdateRule::radam);
  rule.advance = rectify;
  return rule;
}

Rule adamax_rule(const Settings& s) {
  Rule rule = moments(s, UpdateRule::adamax);
  rule.slots[1] = "exp_inf";
  rule.advance = [](UpdateSettings& next, std::int64_t t) {
    next.step_size = next.learning_rate / correction(next.beta1, t);
  };
  return rule;
}

}  // namespace backpass
