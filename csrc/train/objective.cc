// The objective: loss and gradients, and the plans they run.
#include <algorithm>
#include <map>

#include "base/error.h"
#include "plan/workers/sharing.h"
#include "train/accumulate.h"
#include "train/gradients.h"
#include "train/objective_impl.h"

namespace backpass {
namespace {

// Labels by output from bit 4 on.
enum Variant : int {
  kWeighted = 1,
  kPredict = 2,
  kEvaluate = 4,
  kGradientsOnly = 8,
  kLabels = 16,
  kSum = 1 << 27,
  kSumUpdate = 1 << 28,
  kHessian = 1 << 29,
  kAccumulate = 1 << 30
};

int ending_bits(Objective::Impl::Ending ending) {
  switch (ending) {
    case Objective::Impl::Ending::update:
      return 0;
    case Objective::Impl::Ending::accumulate:
      return kAccumulate;
    case Objective::Impl::Ending::gradients:
      return kGradientsOnly;
    case Objective::Impl::Ending::sum:
      return kSum;
    case Objective::Impl::Ending::sum_update:
      return kSumUpdate;
  }
  return 0;
}

// Of free targets, the key has the form.
int variant(const AllTargets& targets, bool predict) {
  int bits = (targets.weighted() ? kWeighted : 0) | (predict ? kPredict : 0);
  for (std::size_t i = 0; !targets.free && i < targets.size(); ++i)
    if (targets[i].labels) bits |= kLabels << i;
  return bits;
}

}  // namespace

int training_variant(const AllTargets& targets, bool predict, Objective::Impl::Ending ending) {
  return variant(targets, predict) | ending_bits(ending);
}

namespace {

Tensor target_tensor(const Network::Impl& net, const Losses& losses, const AllTargets& targets, std::size_t i) {
  if (targets.free) return free_target(targets[i], net.dtype);
  return input(targets[i].shape(losses.of(i), net.outputs()[i].shape()), targets[i].labels ? DType::int32 : net.dtype,
               "y");
}

}  // namespace

LossInputs build_losses(const Network::Impl& net, const Losses& losses, const AllTargets& targets) {
  LossInputs in;
  if (targets.weighted()) in.weight = input({kBatch}, net.dtype, "sample_weight");
  for (std::size_t i = 0; i < targets.size(); ++i) in.y.push_back(target_tensor(net, losses, targets, i));
  const Tensor sizes = in.weight && losses.of(0).is_own() ? abs(in.weight) : in.weight;
  for (std::size_t i = 0; i < losses.terms(net.outputs().size()); ++i) {
    const Loss& term = losses.of(i);
    const Tensor& prediction = net.outputs()[i];
    LossArguments given{
        .predictions = {prediction}, .names = targets.names, .inputs = net.inputs(), .weight = in.weight};
    if (term.joint()) given.predictions = net.outputs();
    if (targets.free)
      given.targets = in.y;
    else
      given.targets = {in.y[i]};
    const Tensor loss = term.build(given);
    if (!loss.shape().empty()) fail(term.type(), "must be a scalar, got ", to_string(loss.shape()));
    if (loss.dtype() != net.dtype) fail(term.type(), "must be of ", name(net.dtype), ", got ", name(loss.dtype()));
    const Tensor weighted = losses.weight(i) == 1 ? loss : loss * losses.weight(i);
    in.loss = i == 0 ? weighted : in.loss + weighted;
    in.each.push_back(loss);
    const Tensor rows = term.is_own() ? sizes : term.row_weight(prediction, in.y[i], in.weight);
    in.weighted = in.weighted || rows;
    in.own_weights = in.own_weights || (rows && !(rows == in.weight) && !(rows == sizes));
    in.total_weight.push_back(rows ? sum(rows) : count(prediction, {0}));
  }
  return in;
}

PlanSpec loss_spec(const Network::Impl& net, const LossInputs& in, Dim batch, bool training) {
  PlanSpec spec;
  for (const Tensor& x : net.inputs()) spec.inputs.push_back({x, true});
  for (const Tensor& y : in.y) spec.inputs.push_back({y, true});
  if (in.weight) spec.inputs.push_back({in.weight, true});
  spec.outputs = {{in.loss, {}}};
  spec.leaves = net.places;
  spec.batch = batch;
  spec.training = training;
  spec.dtype = net.dtype;
  mark_phase(spec, net.outputs(), Phase::forward);
  mark_phase(spec, {in.loss}, Phase::loss);
  return spec;
}

// Behind the loss: predictions, what each of several outputs adds to the loss, and what their rows weigh.
void add_head_outputs(PlanSpec& spec, const Network::Impl& net, const LossInputs& in, bool predict, bool weigh) {
  if (predict) spec.outputs.push_back({net.outputs()[0], {}});
  if (in.each.size() > 1)
    for (const Tensor& loss : in.each) spec.outputs.push_back({loss, {}});
  if (!weigh) return;
  for (const Tensor& weight : in.total_weight) spec.outputs.push_back({weight, {}});
  mark_phase(spec, in.total_weight, Phase::loss);
}

void add_sources(std::vector<RowSource>& sources, const ArrayViews& x, const AllTargets& targets) {
  for (std::size_t i = 0; i < x.size(); ++i) sources.push_back(row_source(x[i]));
  for (const Targets& t : targets.each) sources.push_back(row_source(t.y));
  if (targets.weighted()) sources.push_back(row_source(targets.sample_weight));
}

TrainingSpec Objective::Impl::training_spec(Dim batch, const AllTargets& targets, bool predict, Ending ending,
                                            bool by_rows) const {
  LossInputs in = build_losses(net(), losses, targets);
  const Tensor added = added_loss_of(net()), penalty = penalty_of(net(), options.weight_penalty, in.total_weight[0]);
  if (added) in.loss = in.loss + added;
  Tensor shared = share == 1 ? in.loss : in.loss * share;
  if (penalty) {
    const bool whole = shared == in.loss;
    in.loss = in.loss + penalty;
    shared = whole ? in.loss : shared + penalty;
  }
  TrainingSpec result{loss_spec(net(), in, batch, true)};
  PlanSpec& spec = result.plan;
  spec.recompute = options.recompute;
  spec.narrow = options.activation_dtype;
  assign_states(spec, net(), Phase::update);
  add_head_outputs(spec, net(), in, predict, in.weighted || ending == Ending::accumulate);
  auto [parameters, grads, tables] = training_gradients(net(), shared, by_rows);
  if (ending == Ending::accumulate) average_with_gradients(spec, net(), in, parameters, grads);
  if (ending == Ending::sum || ending == Ending::sum_update) add_to_gradients(spec, net(), parameters, grads);
  if (penalty) spec.outputs.push_back({penalty, {kFirstExternal, kPenalty}});
  if (added) spec.outputs.push_back({added, {kFirstExternal, kAdded}});
  for (std::size_t i = 0; i < parameters.size(); ++i)
    spec.outputs.push_back({grads[i], gradient_beside(net().places.at(&parameters[i].op()))});
  mark_phase(spec, grads, Phase::backward);
  for (const RowsUpdate& table : tables)
    for (const auto& lookup : table.lookups) mark_phase(spec, {lookup.second}, Phase::backward);
  spec.guard = in.loss;
  for (std::size_t i = 0; i < parameters.size(); ++i) result.gradients.emplace(parameters[i].name(), grads[i]);
  result.tables = std::move(tables);
  return result;
}

PlanSpec Objective::Impl::evaluation_spec(Dim batch, const AllTargets& targets) const {
  const LossInputs in = build_losses(net(), losses, targets);
  PlanSpec spec = loss_spec(net(), in, batch, false);
  add_head_outputs(spec, net(), in, net().outputs().size() == 1, in.weighted);
  return spec;
}

Plan& Objective::Impl::gradients_plan(Dim batch, const AllTargets& targets) {
  return workspace.plan(
      plan_key(batch, training_variant(targets, false, Ending::gradients), net().freezes, 0, targets.form()),
      [&] { return compile(training_spec(batch, targets, false, Ending::gradients, false).plan); });
}

Plan& Objective::Impl::evaluation_plan(Dim batch, const AllTargets& targets) {
  return workspace.plan(plan_key(batch, variant(targets, true) | kEvaluate, 0, 0, targets.form()),
                        [&] { return std::make_unique<Plan>(evaluation_spec(batch, targets)); });
}

Plan& Objective::Impl::hessian_plan(Dim batch, const AllTargets& targets) {
  return workspace.plan(plan_key(batch, variant(targets, false) | kHessian, 0, 0, targets.form()),
                        [&] { return std::make_unique<Plan>(hessian_spec(batch, targets)); });
}

double Objective::Impl::number_at(const std::byte* place) const {
  return net().dtype == DType::float64 ? *reinterpret_cast<const double*>(place)
                                       : static_cast<double>(*reinterpret_cast<const float*>(place));
}

double Objective::Impl::walk(Plan& plan, const Batch& batch, Phase last, const Buffers& buffers,
                             const kernels::UpdateSettings* settings) {
  std::array<std::byte*, kFirstExternal + 1> slots{};
  std::copy(buffers.begin(), buffers.end(), slots.begin());
  slots[kFirstExternal] = scalars.data();
  sources.clear();
  add_sources(sources, *batch.x, *batch.targets);
  PlanRun run{
      slots,          sources, batch.rows,       batch.seed, batch.step, settings, resolve_threads(batch.threads),
      Phase::forward, last,    net().set_blocks()};
  net().run(plan, run);
  if (batch.predict) predicted = predictions(plan, batch.count);
  read_heads(plan, batch);
  return scalar(plan.output(0));
}

// By the order of add_head_outputs.
void Objective::Impl::read_heads(const Plan& plan, const Batch& batch) {
  std::size_t at = batch.predict ? 2 : 1;
  heads.resize(terms());
  for (HeadLoss& head : heads) head.loss = scalar(plan.output(heads.size() > 1 ? at++ : 0));
  const bool weighed = at < plan.outputs_in_arena();
  for (HeadLoss& head : heads) head.weight = weighed ? scalar(plan.output(at++)) : static_cast<double>(batch.count);
}

ArrayView Objective::Impl::predictions(const Plan& plan, Dim rows) const {
  return {at(plan.output(1)), element_type(net().dtype), with_rows(net().outputs()[0].shape(), rows)};
}

std::shared_ptr<Objective::Impl> Objective::Impl::make(Network network, Losses losses, ObjectiveOptions options,
                                                       const char* who) {
  if (!network) fail(who, "needs a network");
  losses.check(network.impl().outputs().size());
  if (options.threads < 0) fail(who, "threads must not be negative, got ", options.threads);
  if (const auto narrow = options.activation_dtype) {
    if (*narrow != ElementType::bfloat16 && *narrow != ElementType::int8)
      fail(who, "activation_dtype must be bfloat16, int8 or absent, got ", name(*narrow));
    if (network.dtype() != DType::float32)
      fail(who, "activation_dtype ", name(*narrow), " needs a network of float32, got ", name(network.dtype()));
  }
  penalty_of(network.impl(), options.weight_penalty);  // refuses what does not fit
  std::shared_ptr<Impl> impl(
      new Impl{.network = std::move(network), .losses = std::move(losses), .options = std::move(options)});
  impl->scalars = AlignedBuffer(kScalarBytes);
  return impl;
}

Objective::Objective(Network network, Losses losses, ObjectiveOptions options)
    : Objective(Impl::make(std::move(network), std::move(losses), std::move(options), "Objective")) {}

Dim Objective::check(const TrainingData& data) const {
  AllTargets targets;
  return check_data(impl_->net(), impl_->losses, data, targets);
}

double Objective::gradients(const TrainingData& data, std::int64_t random_step) {
  Network::Impl& net = impl_->net();
  const InUse use(net.users, Use::changes);
  const Dim rows = check_data(net, impl_->losses, data, impl_->step_targets);
  const std::uint64_t step = random_step >= 0 ? static_cast<std::uint64_t>(random_step) : net.step++;
  return impl_->gradients({&data.x, &impl_->step_targets, nullptr, rows, net.seed, step, impl_->options.threads});
}

}  // namespace backpass
