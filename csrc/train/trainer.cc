// The trainer: steps, and the plans they run.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "plan/workers/sharing.h"
#include "train/trainer_impl.h"

namespace backpass {

PlanSpec Trainer::Impl::training_spec(Dim batch, const AllTargets& targets, bool predict, Ending ending) const {
  const bool sweeps = updates(ending) && !updates_apart();
  auto [spec, tables, gradients] =
      objective.training_spec(batch, targets, predict, ending, sweeps && ending == Ending::update);
  if (sweeps) optimizer.state()->add_update(spec, net(), tables, gradients);
  return std::move(spec);
}

Plan& Trainer::Impl::training_plan(Dim batch, const AllTargets& targets, bool predict, Ending ending) {
  const int variant = training_variant(targets, predict, ending);
  return objective.workspace.plan(plan_key(batch, variant, net().freezes, number, targets.form()),
                                  [&] { return compile(training_spec(batch, targets, predict, ending)); });
}

double Trainer::Impl::walk(Plan& plan, const Batch& batch) {
  Optimizer::State& state = *optimizer.state();
  return objective.walk(plan, batch, Phase::update, state.buffers(net(), objective.workspace.arena()),
                        state.next_settings());
}

double Trainer::Impl::train(const Batch& batch, Ending ending) {
  Plan& plan = training_plan(batch.count, *batch.targets, batch.predict, ending);
  const double value = walk(plan, batch);
  updated = plan.updated();
  if (!updates(ending)) return value;
  gradient_norm = plan.gradient_norm();
  if (updates_apart())
    updated = updated && update();
  else if (updated)
    ++optimizer.state()->steps;
  return value;
}

namespace {

// Throws std::invalid_argument where the optimizer does not take what the objective does, or an update by hand.
void check_taken(const ObjectiveOptions& options, const Optimizer& optimizer, bool by_hand) {
  if (optimizer.makes_steps()) return;
  const std::string type = optimizer.type();
  if (by_hand) fail(type, "takes no update by hand: it makes no steps");
  if (options.recompute) fail(type, "takes no recompute");
  if (options.activation_dtype) fail(type, "takes no activation_dtype");
}

}  // namespace

Trainer::Trainer(Network network, Losses losses, Optimizer optimizer, TrainerOptions options)
    : Trainer(Objective(Objective::Impl::make(
                  std::move(network), std::move(losses),
                  {options.threads, options.recompute, options.activation_dtype, std::move(options.weight_penalty)},
                  "Trainer")),
              std::move(optimizer), std::move(options.update)) {}

Trainer::Trainer(Objective objective, Optimizer optimizer, std::function<bool(Network&, Optimizer&)> update) {
  check_taken(objective.impl().options, optimizer, update != nullptr);
  impl_ = std::shared_ptr<Impl>(new Impl{std::move(objective), std::move(optimizer), std::move(update)});
}

Objective Trainer::objective() const { return impl_->handle; }

double Trainer::step(const TrainingData& data) {
  Objective::Impl& objective = impl_->objective;
  Network::Impl& net = objective.net();
  const InUse use(net.users, impl_->by_hand ? Use::calls_back : Use::changes);
  const Dim rows = check_data(net, objective.losses, data, objective.step_targets);
  impl_->training_plan(rows, objective.step_targets, false);  // what can fail comes before the optimizer is bound
  impl_->prepare();
  const double loss =
      impl_->train({&data.x, &objective.step_targets, nullptr, rows, net.seed, net.step++, objective.options.threads});
  return impl_->updated || !std::isfinite(loss) ? loss : std::numeric_limits<double>::quiet_NaN();
}

Dim Trainer::check(const TrainingData& data) { return objective().check(data); }

double Trainer::gradients(const TrainingData& data, std::int64_t random_step) {
  return impl_->handle.gradients(data, random_step);
}

Logs Trainer::evaluate(const TrainingData& data, const Metrics& metrics) {
  return impl_->handle.evaluate(data, metrics);
}

Logs Trainer::evaluate(const Stream& data, const Metrics& metrics, bool check_finite) {
  return impl_->handle.evaluate(data, metrics, check_finite);
}

Logs Trainer::evaluate(const std::vector<DataSet>& sets, const Metrics& metrics, bool check_finite) {
  return impl_->handle.evaluate(sets, metrics, check_finite);
}

void Trainer::stop() { impl_->stopped = true; }

namespace {

// A plan to look at: labels where the loss takes them, no weights. In a free form: that of the last data.
AllTargets plain_targets(const Objective::Impl& objective) {
  AllTargets targets = objective.step_targets;
  targets.sample_weight = {};
  if (targets.free) return targets;
  targets.each.resize(objective.net().outputs().size());
  for (std::size_t i = 0; i < targets.size(); ++i)
    targets.each[i].labels = objective.losses.of(i).takes_labels() && objective.net().outputs()[i].shape().size() >= 2;
  return targets;
}

}  // namespace

PlanInfo Trainer::plan(Dim batch_size) {
  if (batch_size < 0) fail("plan", "batch_size must not be negative, got ", batch_size);
  return compile(impl_->training_spec(batch_size, plain_targets(impl_->objective), false))->info();
}

PlanInfo Trainer::profile(Dim batch_size, int repeats) {
  const InUse use(impl_->net().users, Use::changes);
  if (batch_size < 1 || repeats < 1) fail("profile", "batch_size and repeats must be positive");
  const AllTargets targets = plain_targets(impl_->objective);
  const PlanSpec spec = impl_->training_spec(batch_size, targets, false);
  const std::unique_ptr<Plan> plan = compile(spec);
  const Network::Impl& net = impl_->net();
  const std::size_t bytes = net.bytes();
  std::vector<Array> made_up;
  std::vector<RowSource> sources;
  for (const PlanInput& in : spec.inputs) {
    made_up.emplace_back(in.tensor.dtype(), with_rows(in.tensor.shape(), batch_size));
    sources.push_back(row_source(made_up.back()));
  }
  // The update works on copies: profiling changes nothing.
  const AlignedBuffer arena(plan->arena_bytes()), first(bytes), second(bytes), third(bytes),
      scalars(Objective::Impl::kScalarBytes);
  const ValuesApart apart(net);
  std::byte* slots[kFirstExternal + 1] = {arena.data(),  apart.values.data(), apart.gradients.data(), first.data(),
                                          second.data(), third.data(),        scalars.data()};
  PlanRun run{slots, sources};
  run.settings = impl_->optimizer.state()->next_settings();
  run.blocks = apart.more_blocks;
  return plan->profile(run, repeats);
}

std::size_t Trainer::memory_estimate(Dim batch_size) {
  if (batch_size < 1) fail("memory_estimate", "batch_size must be positive, got ", batch_size);
  const std::unique_ptr<Plan> plan = compile(impl_->training_spec(batch_size, plain_targets(impl_->objective), false));
  return (2 + static_cast<std::size_t>(impl_->optimizer.state()->slot_count())) * impl_->net().bytes() +
         plan->arena_bytes();
}

}  // namespace backpass
