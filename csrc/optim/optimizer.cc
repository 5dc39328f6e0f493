// Optimizers: a rule bound to a network.
#include <algorithm>
#include <cmath>

#include "base/convert.h"
#include "base/error.h"
#include "nn/network_impl.h"
#include "optim/muon.h"
#include "optim/state.h"
#include "plan/workers/sharing.h"

namespace backpass {
namespace {

void check_limit(const std::string& who, const char* what, const std::optional<double>& limit) {
  if (limit && (!(*limit > 0) || !std::isfinite(*limit))) fail(who, what, " must be finite and above 0, got ", *limit);
}

// "RMSprop" is called rmsprop in a plan.
std::string lowercase(std::string type) {
  for (char& c : type)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return type;
}

}  // namespace

void check_learning_rate(const std::string& who, double value) {
  if (!(value >= 0) || !std::isfinite(value)) fail(who, "learning_rate must be finite and not negative, got ", value);
}

Optimizer::State::State(const Description& made_from, const OptimizerOptions& with)
    : State(made_from, with, rule_of(made_from)) {
  for (const char* slot : rule.slots) slot_names.emplace_back(slot ? slot : "");
  if (rule.direction && (with.clip_norm || with.clip_value))
    fail(made_from.type, "takes no clipping: how long its steps are does not depend on the gradient's length");
  const bool plain = !with.clip_norm && !with.clip_value && with.groups.empty() && with.decay == Decay::all &&
                     with.schedule.type() == "ConstantRate" && with.decay_schedule.type() == "ConstantRate";
  if (rule.minimizer && !plain) fail(made_from.type, "takes no clipping, groups, decay or schedule");
}

Optimizer::State::State(const Description& made_from, const OptimizerOptions& with, Rule made)
    : description(made_from),
      options(with),
      rule(std::move(made)),
      groups(made_from.type, with, rule.learning_rate, rule.settings.weight_decay),
      learning_rate(rule.learning_rate),
      next(groups.table().size() * (rule.direction ? 2 : 1)) {
  check_limit(made_from.type, "clip_norm", with.clip_norm);
  check_limit(made_from.type, "clip_value", with.clip_value);
}

int Optimizer::State::slot_count() const {
  return static_cast<int>(std::ranges::count_if(slot_names, [](const std::string& name) { return !name.empty(); }));
}

RowsUpdate Optimizer::State::by_rows(RowsUpdate table, const ParameterInfo& info) const {
  table.settings = groups.settings_of(info);
  table.offset = static_cast<std::size_t>(info.offset) * size_of(table.table.dtype());
  if (!rule.by_rows || options.clip_norm || options.clip_value ||
      groups.table()[static_cast<std::size_t>(table.settings)].weight_decay != 0)
    fail(description.type, '"', info.name, "\" is sparse: it takes SGD without momentum, Adam, AdamW or Adagrad, ",
         "without weight decay and clipping");
  return table;
}

void Optimizer::State::add_update(PlanSpec& spec, const Network::Impl& network, const std::vector<RowsUpdate>& tables,
                                  const std::map<std::string, Tensor>& gradients) const {
  require_steps();
  groups.check(network.parameters);
  UpdatePhase& phase = spec.update;
  phase = {rule.kernel, lowercase(description.type)};
  std::vector<ParameterInfo> swept = network.parameters;
  std::erase_if(swept, [&](const ParameterInfo& info) { return network.frozen.count(info.name) > 0; });
  for (const RowsUpdate& table : tables) {
    const auto is_table = [&](const ParameterInfo& info) { return info.name == table.table.name(); };
    const auto info = std::ranges::find_if(swept, is_table);
    phase.tables.push_back(by_rows(table, *info));
    swept.erase(info);
  }
  if (rule.direction) {
    const std::vector<ParameterInfo> matrices = add_directions(spec, network, *rule.direction, gradients, swept);
    for (std::size_t i = 0; i < matrices.size(); ++i)
      phase.descents[i].settings = groups.settings_of(matrices[i]) + static_cast<int>(groups.table().size());
  }
  phase.segments = groups.segments(swept);
  phase.blocks = network.flat_blocks();
  for (std::size_t i = 0; i < phase.slots.size(); ++i) phase.slots[i] = rule.slots[i] != nullptr;
  phase.clip_norm = options.clip_norm;
  phase.clip_value = options.clip_value;
}

void Optimizer::State::require_steps() const {
  if (!makes_steps()) fail(description.type, "makes no single steps: use fit");
}

void Optimizer::State::bind(Network& network) {
  require_steps();
  const auto impl = network.shared_impl();
  if (bound == impl) return;
  const std::lock_guard lock(binding);
  if (bound) fail("optimizer", "already steps another network; make one optimizer for each");
  groups.check(impl->parameters);
  slots = make_slots(*impl, loaded.value_or(OptimizerState{}));
  bound = impl;
  impl->note_training();
  loaded.reset();
}

void Optimizer::State::unbind() {
  const std::lock_guard lock(binding);
  bound.reset();
}

Optimizer::State::Hold::Hold(State& state, Use use) : lock(state.binding) {
  if (state.bound) network.emplace(state.bound->users, use);
}

double Optimizer::State::learning_rate_after(std::int64_t done) const {
  return learning_rate * factor_of(options.schedule, done);
}

double Optimizer::State::factor_of(const Schedule& schedule, std::int64_t done) const {
  return schedule.factor(static_cast<double>(schedule.per() == Per::step ? done : epochs));
}

kernels::UpdateSettings Optimizer::State::settings_of(Rule& by, double rate, std::int64_t t, std::size_t entry) const {
  const GroupSettings& group = groups.table()[entry];
  kernels::UpdateSettings settings = by.settings;
  settings.learning_rate = settings.step_size = rate * group.rate;
  settings.weight_decay = group.weight_decay * factor_of(options.decay_schedule, t - 1);
  settings.shrink = 1 - settings.learning_rate * settings.weight_decay;
  if (by.advance) by.advance(settings, t);
  return settings;
}

// A descent along a direction is corrected by nothing.
const kernels::UpdateSettings* Optimizer::State::next_settings() {
  const double rate = current_learning_rate();
  const std::size_t count = groups.table().size();
  for (std::size_t i = 0; i < next.size(); ++i) {
    next[i] = settings_of(rule, rate, steps + 1, i % count);
    if (i >= count) next[i].step_size = next[i].learning_rate;
  }
  return next.data();
}

std::array<std::byte*, kFirstExternal> Optimizer::State::buffers(Network::Impl& network, std::byte* arena) const {
  std::array<std::byte*, kFirstExternal> all{arena, network.first_values(), network.first_gradients()};
  for (std::size_t i = 0; !composed && i < slots.size(); ++i) all[kOptimizer0 + i] = slots[i].data();
  return all;
}

const ParameterInfo* Optimizer::State::without_gradient(Network::Impl& network) {
  for (const ParameterInfo& info : network.parameters) {
    if (network.frozen.count(info.name) == 0 &&
        check_finite(network.gradients_of(info), element_type(network.dtype), network.dtype, info.size) != Finite::yes)
      return &info;
  }
  return nullptr;
}

std::string Optimizer::State::why_refused(Network::Impl& network) const {
  if (const ParameterInfo* info = without_gradient(network))
    return "the gradient of \"" + info->name + "\" is not finite";
  if (!std::isfinite(last_norm)) return "the norm of the gradient is not finite";
  return "the step is too long: a parameter or the optimizer's state would not be finite; lower the learning rate, or "
         "the "
         "gradient by clip_norm or by scaling the data";
}

Optimizer::Optimizer(const Description& description, OptimizerOptions options)
    : state_(std::make_shared<State>(description, options)) {}

Optimizer::Optimizer(ComposedOptimizer own, OptimizerOptions options)
    : state_(std::make_shared<State>(std::move(own), options)) {}

std::string Optimizer::type() const { return state_->description.type; }

Attributes Optimizer::attributes() const {
  Attributes all = state_->description.attributes;
  for (auto& [name, value] : all)
    if (name == "learning_rate") value = learning_rate();
  return all;
}

double Optimizer::learning_rate() const { return state_->learning_rate; }

void Optimizer::set_learning_rate(double value) {
  check_learning_rate(type(), value);
  state_->learning_rate = value;
}

bool Optimizer::makes_steps() const { return state_->makes_steps(); }

std::int64_t Optimizer::steps() const { return state_->steps; }

double Optimizer::current_learning_rate() const { return state_->current_learning_rate(); }

Plan& Optimizer::State::sweep_plan(const Network::Impl& network) {
  return workspace.plan(plan_key(0, 0, network.freezes), [&] {
    PlanSpec spec;
    spec.dtype = network.dtype;
    add_update(spec, network);
    return std::make_unique<Plan>(spec);
  });
}

bool Optimizer::State::walk(const Network::Impl& network, Plan& plan, std::span<std::byte* const> memory) {
  PlanRun run{memory};
  run.settings = next_settings();
  run.threads = resolve_threads(0);
  run.blocks = network.set_blocks();
  plan.run(run);
  last_norm = plan.gradient_norm();
  return plan.updated();
}

bool Optimizer::State::step(Network& network) {
  compile(network);
  Network::Impl& net = network.impl();
  if (composed) {
    if (!step_composed(net)) return false;
  } else {
    Plan& plan = sweep_plan(net);
    if (!walk(net, plan, buffers(net, workspace.arena()))) return false;
  }
  ++steps;
  return true;
}

void Optimizer::step(Network& network) {
  const InUse use(network.impl().users, Use::changes);
  if (!state_->step(network))
    throw NotFiniteError(message(type(), "nothing was updated: ", state_->why_refused(network.impl())));
}

void Optimizer::count_step(Network& network) {
  const InUse use(network.impl().users, Use::changes);
  state_->bind(network);
  ++state_->steps;
}

void* Optimizer::slot(Network& network, const std::string& name) {
  const InUse use(network.impl().users, Use::changes);
  state_->bind(network);
  const auto found = std::ranges::find(state_->slot_names, name);
  if (name.empty() || found == state_->slot_names.end()) fail(type(), "has no slot \"", name, '"');
  return state_->slots[static_cast<std::size_t>(found - state_->slot_names.begin())].data();
}

}  // namespace backpass
