// Settings and rules; those of the Adams are in adam_rules.cc.
#include "nn/make.h"
#include "optim/rule.h"

namespace backpass {
namespace {

using kernels::UpdateRule;
using kernels::UpdateSettings;

constexpr const char *kRate = "the step size", *kMeans = "how much of the means is kept",
                     *kVelocity = "how much of the velocity is kept", *kEps = "keeps the division finite";

}  // namespace

Fields SGD::fields() {
  return {{"learning_rate", &learning_rate, kRate, kNotNegative},
          {"momentum", &momentum, kVelocity, kNotNegative},
          {"nesterov", &nesterov, "whether to look ahead along the velocity"},
          {"weight_decay", &weight_decay, kCoupled, kNotNegative},
          {"dampening", &dampening, "how much of the gradient is left out of the velocity", kNotNegative}};
}

Rule rule_of(const SGD& sgd) {
  const double dampening = sgd.dampening;
  if (sgd.nesterov && (sgd.momentum == 0 || dampening != 0))
    fail("SGD", "nesterov needs a momentum above 0 and no dampening");
  Rule rule{UpdateRule::sgd,
            {sgd.momentum > 0 ? "momentum_buffer" : nullptr},
            {.weight_decay = sgd.weight_decay, .beta1 = sgd.momentum, .nesterov = sgd.nesterov}};
  rule.by_rows = sgd.momentum == 0;
  if (dampening != 0)  // the velocity begins as the first gradient
    rule.advance = [=](UpdateSettings& next, std::int64_t t) { next.fresh1 = t == 1 ? 1 : 1 - dampening; };
  return rule;
}

Fields RMSprop::fields() {
  return {{"learning_rate", &learning_rate, kRate, kNotNegative},
          {"alpha", &alpha, "how much of the mean is kept", kBelowOne},
          {"eps", &eps, kEps, kAboveZero},
          {"momentum", &momentum, kVelocity, kNotNegative},
          {"weight_decay", &weight_decay, kCoupled, kNotNegative},
          {"centered", &centered, "whether to subtract the square of the mean gradient from v"}};
}

Rule rule_of(const RMSprop& rmsprop) {
  return {UpdateRule::rmsprop,
          {"square_avg", rmsprop.momentum > 0 ? "momentum_buffer" : nullptr, rmsprop.centered ? "grad_avg" : nullptr},
          {.weight_decay = rmsprop.weight_decay,
           .beta1 = rmsprop.momentum,
           .beta2 = rmsprop.alpha,
           .fresh2 = 1 - rmsprop.alpha,
           .eps = rmsprop.eps}};
}

Fields Adagrad::fields() {
  return {{"learning_rate", &learning_rate, kRate, kNotNegative},
          {"learning_rate_decay", &learning_rate_decay, "how quickly the step size falls", kNotNegative},
          {"weight_decay", &weight_decay, kCoupled, kNotNegative},
          {"initial_accumulator_value", &initial_accumulator_value, "the initial value of s", kNotNegative},
          {"eps", &eps, kEps, kAboveZero}};
}

// The kernel of RMSprop, with a sum in place of the mean.
Rule rule_of(const Adagrad& adagrad) {
  Rule rule{UpdateRule::rmsprop,
            {"sum"},
            {.weight_decay = adagrad.weight_decay, .beta2 = 1, .fresh2 = 1, .eps = adagrad.eps},
            {},
            adagrad.initial_accumulator_value,
            true};
  rule.advance = [slower = adagrad.learning_rate_decay](UpdateSettings& next, std::int64_t t) {
    next.step_size = next.learning_rate / (1 + static_cast<double>(t - 1) * slower);
  };
  return rule;
}

Fields Adadelta::fields() {
  return {{"learning_rate", &learning_rate, "scales the steps", kNotNegative},
          {"rho", &rho, kMeans, kBelowOne},
          {"eps", &eps, kEps, kAboveZero},
          {"weight_decay", &weight_decay, kCoupled, kNotNegative}};
}

Rule rule_of(const Adadelta& adadelta) {
  const double rho = adadelta.rho;
  return {UpdateRule::adadelta,
          {"square_avg", "acc_delta"},
          {.weight_decay = adadelta.weight_decay, .beta2 = rho, .fresh2 = 1 - rho, .eps = adadelta.eps}};
}

Fields Lion::fields() {
  return {{"learning_rate", &learning_rate, kRate, kNotNegative},
          {"betas", &betas, "b1 and b2", kBelowOne},
          {"weight_decay", &weight_decay, "the fraction of the weights that a step of size 1 removes", kNotNegative}};
}

Rule rule_of(const Lion& lion) {
  const auto [beta1, beta2] = lion.betas;
  return {UpdateRule::lion,
          {"exp_avg"},
          {.weight_decay = lion.weight_decay,
           .beta1 = beta1,
           .fresh1 = 1 - beta1,
           .beta2 = beta2,
           .fresh2 = 1 - beta2,
           .decoupled = true}};
}

Fields LBFGS::fields() {
  return {{"history_size", &history_size,
           "how many pairs of steps and changes of the gradient approximate the curvature", kCount},
          {"max_line_search", &max_line_search, "how many evaluations one iteration may take", kCount},
          {"tolerance", &tolerance, "converged is a gradient whose largest element is at most this", kNotNegative},
          {"tolerance_change", &tolerance_change, "converged is a loss that fell by at most this times max(|loss|, 1)",
           kNotNegative}};
}

Rule rule_of(const LBFGS& lbfgs) { return {.learning_rate = 1, .minimizer = lbfgs}; }

namespace {

template <class... Ds>
std::vector<std::string> types_of(Types<Ds...>) {
  return {Ds{}.type()...};
}

}  // namespace

std::vector<std::string> optimizer_types() { return types_of(OptimizerTypes{}); }

Rule rule_of(const Description& description) {
  return make_of<Rule>(OptimizerTypes{}, "Optimizer", description.type, description.attributes, [](auto optimizer) {
    check_fields(optimizer);
    Rule rule = rule_of(optimizer);
    if constexpr (requires { optimizer.learning_rate; }) rule.learning_rate = optimizer.learning_rate;
    return rule;
  });
}

}  // namespace backpass
