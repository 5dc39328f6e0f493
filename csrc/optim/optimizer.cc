// Optimizers: a rule bound to a network.
#include <cmath>

#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/state.h"
#include "plan/sharing.h"

namespace backpass {
namespace {

std::shared_ptr<Optimizer::State> make_state(Rule rule) {
  return std::make_shared<Optimizer::State>(Optimizer::State{std::move(rule)});
}

}  // namespace

Optimizer::Optimizer(const SGD& sgd) : state_(make_state(rule_of(sgd))) {}
Optimizer::Optimizer(const Adam& adam) : state_(make_state(rule_of(adam))) {}
Optimizer::Optimizer(const AdamW& adamw) : state_(make_state(rule_of(adamw))) {}
Optimizer::Optimizer(const RMSprop& rmsprop) : state_(make_state(rule_of(rmsprop))) {}

std::string Optimizer::type() const { return state_->rule.type; }

Attributes Optimizer::attributes() const {
  Attributes all{{"learning_rate", learning_rate()}};
  all.insert(all.end(), state_->rule.attributes.begin(), state_->rule.attributes.end());
  return all;
}

double Optimizer::learning_rate() const { return state_->rule.settings.learning_rate; }

void Optimizer::set_learning_rate(double value) {
  check_learning_rate(state_->rule.type, value);
  state_->rule.settings.learning_rate = value;
}

std::int64_t Optimizer::steps() const { return state_->steps; }

double Optimizer::current_learning_rate() const { return learning_rate(); }

void Optimizer::State::bind(Network& network) {
  const auto impl = network.shared_impl();
  if (bound == impl) return;
  if (bound) fail("optimizer", "already steps another network; make one optimizer for each");
  bound = impl;
  for (int i = 0; i < slot_count(); ++i) slots[i] = AlignedBuffer(impl->bytes());
}

const kernels::UpdateSettings* Optimizer::State::next_settings() {
  kernels::UpdateSettings& next = rule.settings;
  const double t = static_cast<double>(steps + 1);
  next.correction1 = 1 - std::pow(next.beta1, t);
  next.correction2 = 1 - std::pow(next.beta2, t);
  return &next;
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
