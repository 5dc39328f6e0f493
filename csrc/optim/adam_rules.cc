// The rules of Adam and its kin: what they share, and what each step corrects.
#include <cmath>

#include "optim/rule.h"

namespace backpass {
namespace {

using kernels::UpdateRule;
using kernels::UpdateSettings;

// Two moments; `advance` is left to each.
template <class A>
Rule moments(const A& adam, UpdateRule kernel) {
  const auto [beta1, beta2] = adam.betas;
  return {kernel,
          {"exp_avg", "exp_avg_sq"},
          {.weight_decay = adam.weight_decay,
           .beta1 = beta1,
           .fresh1 = 1 - beta1,
           .beta2 = beta2,
           .fresh2 = 1 - beta2,
           .eps = adam.eps}};
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

constexpr const char* kDecoupled = "the fraction of the weights that a step of size 1 removes";

// What all of them have; `decay` says how weights decay.
template <class A>
Fields with_moments(A& adam, const char* decay) {
  return {{"learning_rate", &adam.learning_rate, "the step size", kNotNegative},
          {"betas", &adam.betas, "b1 and b2", kBelowOne},
          {"eps", &adam.eps, "keeps the division finite", kAboveZero},
          {"weight_decay", &adam.weight_decay, decay, kNotNegative}};
}

Fields with_moments(auto& adam, const char* decay, Field own) {
  Fields fields = with_moments(adam, decay);
  fields.push_back(std::move(own));
  return fields;
}

constexpr const char* kAmsgrad = "whether to divide by the largest v so far";

template <class A>
Rule rule_of_either(const A& adam) {
  Rule rule = moments(adam, adam.amsgrad ? UpdateRule::amsgrad : UpdateRule::adam);
  if (adam.amsgrad) rule.slots[2] = "max_exp_avg_sq";
  rule.advance = correct;
  rule.by_rows = true;
  return rule;
}

}  // namespace

Fields Adam::fields() {
  Fields fields = with_moments(*this, kCoupled, {"amsgrad", &amsgrad, kAmsgrad});
  fields.push_back({"epsilon_hat", &epsilon_hat, "whether eps is added to sqrt(v) before its correction"});
  return fields;
}
Fields AdamW::fields() { return with_moments(*this, kDecoupled, {"amsgrad", &amsgrad, kAmsgrad}); }

Rule rule_of(const Adam& adam) {
  Rule rule = rule_of_either(adam);
  if (adam.epsilon_hat)
    rule.advance = [eps = adam.eps](UpdateSettings& next, std::int64_t t) {
      correct(next, t);
      next.eps = eps / next.root;
    };
  return rule;
}

Rule rule_of(const AdamW& adamw) {
  Rule rule = rule_of_either(adamw);
  rule.settings.decoupled = true;
  return rule;
}

Fields Muon::fields() {
  return {
      {"learning_rate", &learning_rate, "the step size", kNotNegative},
      {"momentum", &momentum, "how much of b is kept", kBelowOne},
      {"nesterov", &nesterov, "whether to look ahead along b"},
      {"weight_decay", &weight_decay, kDecoupled, kNotNegative},
      {"steps", &steps, "of the iteration", {"from 1 to 1000", 1, 1000}},
      {"adjust", &adjust, "how scale follows from a matrix of n rows and m columns", {"original", "match_rms_adamw"}},
      {"betas", &betas, "of AdamW", kBelowOne},
      {"eps", &eps, "of AdamW", kAboveZero}};
}

// AdamW for what is no matrix.
Rule rule_of(const Muon& muon) {
  Rule rule = moments(muon, UpdateRule::adam);
  rule.settings.decoupled = true;
  rule.advance = correct;
  rule.direction = {muon.momentum, muon.nesterov, muon.adjust == "match_rms_adamw", static_cast<int>(muon.steps)};
  return rule;
}

Fields NAdam::fields() {
  return with_moments(*this, kCoupled,
                      {"momentum_decay", &momentum_decay, "how quickly the momentum approaches b1", kNotNegative});
}

Rule rule_of(const NAdam& nadam) {
  Rule rule = moments(nadam, UpdateRule::nadam);
  rule.advance = Lookahead(nadam.momentum_decay);
  return rule;
}

Fields RAdam::fields() { return with_moments(*this, kCoupled); }

Rule rule_of(const RAdam& radam) {
  Rule rule = moments(radam, UpdateRule::radam);
  rule.advance = rectify;
  return rule;
}

Fields Adamax::fields() { return with_moments(*this, kCoupled); }

Rule rule_of(const Adamax& adamax) {
  Rule rule = moments(adamax, UpdateRule::adamax);
  rule.slots[1] = "exp_inf";
  rule.advance = [](UpdateSettings& next, std::int64_t t) {
    next.step_size = next.learning_rate / correction(next.beta1, t);
  };
  return rule;
}

}  // namespace backpass
