// Optimizers: settings checked once, then turned into what an update kernel reads.
#include <cmath>

#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/state.h"
#include "plan/sharing.h"

namespace backpass {
namespace {

void check_not_negative(const char* who, const char* what, double value) {
  if (!(value >= 0) || !std::isfinite(value)) fail(who, what, " must be finite and not negative, got ", value);
}

void check(const SGD& sgd) {
  check_not_negative("SGD", "learning_rate", sgd.learning_rate);
  check_not_negative("SGD", "momentum", sgd.momentum);
  check_not_negative("SGD", "weight_decay", sgd.weight_decay);
  if (sgd.nesterov && sgd.momentum == 0) fail("SGD", "nesterov needs a momentum above 0");
}

void check(const Adam& adam) {
  check_not_negative("Adam", "learning_rate", adam.learning_rate);
  check_not_negative("Adam", "weight_decay", adam.weight_decay);
  if (!(adam.eps > 0) || !std::isfinite(adam.eps)) fail("Adam", "eps must be finite and above 0, got ", adam.eps);
  for (double beta : {adam.betas.first, adam.betas.second})
    if (!(beta >= 0 && beta < 1)) fail("Adam", "betas must be at least 0 and below 1, got ", beta);
}

template <class Rule>
std::shared_ptr<Optimizer::State> make_state(Rule rule) {
  check(rule);
  auto state = std::make_shared<Optimizer::State>();
  state->rule = rule;
  return state;
}

}  // namespace

Optimizer::Optimizer(SGD sgd) : state_(make_state(sgd)) {}
Optimizer::Optimizer(Adam adam) : state_(make_state(adam)) {}

std::string Optimizer::type() const { return std::holds_alternative<SGD>(state_->rule) ? "SGD" : "Adam"; }

Attributes Optimizer::attributes() const {
  if (const SGD* sgd = std::get_if<SGD>(&state_->rule))
    return {{"learning_rate", sgd->learning_rate},
            {"momentum", sgd->momentum},
            {"nesterov", sgd->nesterov},
            {"weight_decay", sgd->weight_decay}};
  const Adam& adam = std::get<Adam>(state_->rule);
  return {{"learning_rate", adam.learning_rate},
          {"beta1", adam.betas.first},
          {"beta2", adam.betas.second},
          {"eps", adam.eps},
          {"weight_decay", adam.weight_decay}};
}

double Optimizer::learning_rate() const {
  return std::visit([](const auto& rule) { return rule.learning_rate; }, state_->rule);
}

void Optimizer::set_learning_rate(double value) {
  check_not_negative(type().c_str(), "learning_rate", value);
  std::visit([&](auto& rule) { rule.learning_rate = value; }, state_->rule);
}

std::int64_t Optimizer::steps() const { return state_->steps; }

int Optimizer::State::slot_count() const {
  if (const SGD* r = std::get_if<SGD>(&rule)) return r->momentum > 0 ? 1 : 0;
  return 2;
}

void Optimizer::State::bind(Network& network) {
  const auto impl = network.shared_impl();
  if (bound == impl) return;
  if (bound) fail("optimizer", "already steps another network; make one optimizer for each");
  bound = impl;
  for (int i = 0; i < slot_count(); ++i) slots[i] = AlignedBuffer(impl->bytes());
}

const void* Optimizer::State::next_settings() {
  if (const SGD* r = std::get_if<SGD>(&rule)) {
    sgd = {r->learning_rate, r->momentum, r->weight_decay, r->nesterov, steps == 0};
    return &sgd;
  }
  const Adam& r = std::get<Adam>(rule);
  const double t = static_cast<double>(steps + 1);
  adam = {r.learning_rate,
          r.betas.first,
          r.betas.second,
          r.eps,
          r.weight_decay,
          1 - std::pow(r.betas.first, t),
          1 - std::pow(r.betas.second, t)};
  return &adam;
}

void Optimizer::step(Network& network) {
  const InUse use(network.impl());
  state_->bind(network);
  Network::Impl& net = network.impl();
  PlanSpec spec;
  spec.dtype = net.dtype;
  spec.rule = state_->update_rule();
  spec.update_count = net.n_parameters;
  spec.update_slots = state_->slot_count();
  Plan& plan = net.predict.plan(plan_key(0, 1000 + static_cast<int>(spec.rule) * 10 + spec.update_slots),
                                [&] { return std::make_unique<Plan>(spec); });
  std::byte* slots[kFirstExternal] = {nullptr, net.values.data(), net.gradient_data(), state_->slots[0].data(),
                                      state_->slots[1].data()};
  PlanRun run{slots};
  run.settings = state_->next_settings();
  run.threads = resolve_threads(0);
  plan.run(run);
  ++state_->steps;
}

}  // namespace backpass
