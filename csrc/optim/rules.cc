// The rules, one function each.
#include <cmath>

#include "base/error.h"
#include "optim/rule.h"

namespace backpass {
namespace {

using kernels::UpdateRule;

void check_not_negative(const char* who, const char* what, double value) {
  if (!(value >= 0) || !std::isfinite(value)) fail(who, what, " must be finite and not negative, got ", value);
}

void check_eps(const char* who, double eps) {
  if (!(eps > 0) || !std::isfinite(eps)) fail(who, "eps must be finite and above 0, got ", eps);
}

void check_kept_part(const char* who, const char* what, double value) {
  if (!(value >= 0 && value < 1)) fail(who, what, " must be at least 0 and below 1, got ", value);
}

Rule adam_rule(const char* who, const Adam& adam, bool decoupled) {
  check_learning_rate(who, adam.learning_rate);
  check_not_negative(who, "weight_decay", adam.weight_decay);
  check_eps(who, adam.eps);
  for (double beta : {adam.betas.first, adam.betas.second}) check_kept_part(who, "betas", beta);
  return {who,
          UpdateRule::adam,
          2,
          {{"beta1", adam.betas.first},
           {"beta2", adam.betas.second},
           {"eps", adam.eps},
           {"weight_decay", adam.weight_decay}},
          {.learning_rate = adam.learning_rate,
           .weight_decay = adam.weight_decay,
           .beta1 = adam.betas.first,
           .beta2 = adam.betas.second,
           .eps = adam.eps,
           .decoupled = decoupled}};
}

}  // namespace

void check_learning_rate(const char* who, double value) { check_not_negative(who, "learning_rate", value); }

Rule rule_of(const SGD& sgd) {
  check_learning_rate("SGD", sgd.learning_rate);
  check_not_negative("SGD", "momentum", sgd.momentum);
  check_not_negative("SGD", "weight_decay", sgd.weight_decay);
  if (sgd.nesterov && sgd.momentum == 0) fail("SGD", "nesterov needs a momentum above 0");
  return {"SGD",
          UpdateRule::sgd,
          sgd.momentum > 0 ? 1 : 0,
          {{"momentum", sgd.momentum}, {"nesterov", sgd.nesterov}, {"weight_decay", sgd.weight_decay}},
          {.learning_rate = sgd.learning_rate,
           .weight_decay = sgd.weight_decay,
           .momentum = sgd.momentum,
           .nesterov = sgd.nesterov}};
}

Rule rule_of(const Adam& adam) { return adam_rule("Adam", adam, false); }

Rule rule_of(const AdamW& adamw) {
  return adam_rule("AdamW", {adamw.learning_rate, adamw.betas, adamw.eps, adamw.weight_decay}, true);
}

Rule rule_of(const RMSprop& rmsprop) {
  check_learning_rate("RMSprop", rmsprop.learning_rate);
  check_kept_part("RMSprop", "alpha", rmsprop.alpha);
  check_eps("RMSprop", rmsprop.eps);
  check_not_negative("RMSprop", "momentum", rmsprop.momentum);
  check_not_negative("RMSprop", "weight_decay", rmsprop.weight_decay);
  return {"RMSprop",
          UpdateRule::rmsprop,
          rmsprop.momentum > 0 ? 2 : 1,
          {{"alpha", rmsprop.alpha},
           {"eps", rmsprop.eps},
           {"momentum", rmsprop.momentum},
           {"weight_decay", rmsprop.weight_decay}},
          {.learning_rate = rmsprop.learning_rate,
           .weight_decay = rmsprop.weight_decay,
           .momentum = rmsprop.momentum,
           .beta2 = rmsprop.alpha,
           .eps = rmsprop.eps}};
}

}  // namespace backpass
