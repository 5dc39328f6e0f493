// Trainer: steps, gradients, evaluation, and the plans they run.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/convert.h"
#include "base/error.h"
#include "plan/boundary.h"
#include "plan/workers/sharing.h"
#include "train/accumulate.h"
#include "train/gradients.h"

namespace backpass {
namespace {

// Labels by output from bit 4 on.
enum Variant : int {
  kWeighted = 1,
  kPredict = 2,
  kEvaluate = 4,
  kGradientsOnly = 8,
  kLabels = 16,
  kAccumulate = 1 << 30
};

int variant(const AllTargets& targets, bool predict) {
  int bits = (targets[0].weighted() ? kWeighted : 0) | (predict ? kPredict : 0);
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i].labels) bits |= kLabels << i;
  return bits;
}

}  // namespace

LossInputs build_losses(const Network::Impl& net, const Losses& losses, const AllTargets& targets) {
  LossInputs in;
  if (targets[0].weighted()) in.weight = input({kBatch}, net.dtype, "sample_weight");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Tensor& prediction = net.outputs()[i];
    in.y.push_back(
        input(targets[i].shape(losses.of(i), prediction.shape()), targets[i].labels ? DType::int32 : net.dtype, "y"));
    const Tensor loss = losses.of(i).build(prediction, in.y[i], in.weight);
    if (!loss.shape().empty()) fail(losses.of(i).type(), "must be a scalar, got ", to_string(loss.shape()));
    const Tensor weighted = losses.weight(i) == 1 ? loss : loss * losses.weight(i);
    in.loss = i == 0 ? weighted : in.loss + weighted;
    in.each.push_back(loss);
    const Tensor rows = losses.of(i).row_weight(prediction, in.y[i], in.weight);
    in.weighted = in.weighted || rows;
    in.own_weights = in.own_weights || (rows && !(rows == in.weight));
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
  for (const Targets& t : targets) sources.push_back(row_source(t.y));
  if (targets[0].weighted()) sources.push_back(row_source(targets[0].sample_weight));
}

PlanSpec Trainer::Impl::training_spec(Dim batch, const AllTargets& targets, bool predict, Ending ending) const {
  LossInputs in = build_losses(net(), losses, targets);
  const Tensor penalty = penalty_of(net(), options.weight_penalty);
  if (penalty) in.loss = in.loss + penalty;
  PlanSpec spec = loss_spec(net(), in, batch, true);
  spec.recompute = options.recompute;
  spec.narrow = options.activation_dtype;
  assign_states(spec, net(), Phase::update);
  add_head_outputs(spec, net(), in, predict, in.weighted || ending == Ending::accumulate);
  const bool sweeps = ending == Ending::update && !updates_apart();
  auto [parameters, grads, tables] = training_gradients(net(), in.loss, sweeps);
  if (ending == Ending::accumulate) add_to_gradients(spec, net(), in, parameters, grads);
  if (penalty) spec.outputs.push_back({penalty, {kFirstExternal, kPenalty}});
  for (std::size_t i = 0; i < parameters.size(); ++i)
    spec.outputs.push_back({grads[i], {kGradients, net().places.at(&parameters[i].op()).offset}});
  mark_phase(spec, grads, Phase::backward);
  for (const RowsUpdate& table : tables)
    for (const auto& lookup : table.lookups) mark_phase(spec, {lookup.second}, Phase::backward);
  spec.guard = in.loss;
  std::map<std::string, Tensor> by_name;
  for (std::size_t i = 0; i < parameters.size(); ++i) by_name.emplace(parameters[i].name(), grads[i]);
  if (sweeps) optimizer.state()->add_update(spec, net(), tables, by_name);
  return spec;
}

PlanSpec Trainer::Impl::evaluation_spec(Dim batch, const AllTargets& targets) const {
  const LossInputs in = build_losses(net(), losses, targets);
  PlanSpec spec = loss_spec(net(), in, batch, false);
  add_head_outputs(spec, net(), in, net().outputs().size() == 1, in.weighted);
  return spec;
}

Plan& Trainer::Impl::training_plan(Dim batch, const AllTargets& targets, bool predict, Ending ending) {
  const int key = variant(targets, predict) | (ending == Ending::accumulate  ? kAccumulate
                                               : ending == Ending::gradients ? kGradientsOnly
                                                                             : 0);
  return workspace.plan(plan_key(batch, key, net().freezes),
                        [&] { return compile(training_spec(batch, targets, predict, ending)); });
}

Plan& Trainer::Impl::evaluation_plan(Dim batch, const AllTargets& targets) {
  return workspace.plan(plan_key(batch, variant(targets, true) | kEvaluate),
                        [&] { return std::make_unique<Plan>(evaluation_spec(batch, targets)); });
}

double Trainer::Impl::number_at(const std::byte* place) const {
  return net().dtype == DType::float64 ? *reinterpret_cast<const double*>(place)
                                       : static_cast<double>(*reinterpret_cast<const float*>(place));
}

double Trainer::Impl::walk(Plan& plan, const Batch& batch, Phase last) {
  Optimizer::State& state = *optimizer.state();
  const auto buffers = state.buffers(net(), workspace.arena());
  std::array<std::byte*, kFirstExternal + 1> slots{};
  std::copy(buffers.begin(), buffers.end(), slots.begin());
  slots[kFirstExternal] = scalars.data();
  sources.clear();
  add_sources(sources, *batch.x, *batch.targets);
  PlanRun run{slots,          sources, batch.rows, batch.seed, batch.step, nullptr, resolve_threads(batch.threads),
              Phase::forward, last};
  if (last == Phase::update) run.settings = state.next_settings();
  net().run(plan, run);
  if (batch.predict) predicted = predictions(plan, batch.count);
  read_heads(plan, batch);
  return scalar(plan.output(0));
}

// By the order of add_head_outputs.
void Trainer::Impl::read_heads(const Plan& plan, const Batch& batch) {
  std::size_t at = batch.predict ? 2 : 1;
  heads.resize(batch.targets->size());
  for (HeadLoss& head : heads) head.loss = scalar(plan.output(heads.size() > 1 ? at++ : 0));
  const bool weighed = at < plan.outputs_in_arena();
  for (HeadLoss& head : heads) head.weight = weighed ? scalar(plan.output(at++)) : static_cast<double>(batch.count);
}

ArrayView Trainer::Impl::predictions(const Plan& plan, Dim rows) const {
  return {at(plan.output(1)), element_type(net().dtype), with_rows(net().outputs()[0].shape(), rows)};
}

double Trainer::Impl::train(const Batch& batch) {
  Plan& plan = training_plan(batch.count, *batch.targets, batch.predict);
  const double value = walk(plan, batch, Phase::update);
  updated = plan.updated();
  gradient_norm = plan.gradient_norm();
  if (updates_apart())
    updated = updated && update();
  else if (updated)
    ++optimizer.state()->steps;
  return value;
}

Trainer::Trainer(Network network, Losses losses, Optimizer optimizer, TrainerOptions options) {
  if (!network) fail("Trainer", "needs a network");
  losses.check(network.impl().outputs().size());
  optimizer.steps();  // throws where it is empty
  if (options.threads < 0) fail("Trainer", "threads must not be negative, got ", options.threads);
  if (const auto narrow = options.activation_dtype) {
    if (*narrow != ElementType::bfloat16 && *narrow != ElementType::int8)
      fail("Trainer", "activation_dtype must be bfloat16, int8 or absent, got ", name(*narrow));
    if (network.dtype() != DType::float32)
      fail("Trainer", "activation_dtype ", name(*narrow), " needs a network of float32, got ", name(network.dtype()));
  }
  impl_ = std::shared_ptr<Impl>(new Impl{.network = std::move(network),
                                         .losses = std::move(losses),
                                         .optimizer = std::move(optimizer),
                                         .options = std::move(options)});
  penalty_of(impl_->net(), impl_->options.weight_penalty);  // refuses what does not fit
  impl_->scalars = AlignedBuffer(Impl::kScalarBytes);
}

double Trainer::step(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight) {
  Network::Impl& net = impl_->net();
  const InUse use(net.users, impl_->options.update ? Use::calls_back : Use::changes);
  const Dim rows = check_data(net, impl_->losses, {x, y, sample_weight}, impl_->step_targets);
  impl_->training_plan(rows, impl_->step_targets, false);  // what can fail comes before the optimizer is bound
  impl_->prepare();
  const double loss =
      impl_->train({&x, &impl_->step_targets, nullptr, rows, net.seed, net.step++, impl_->options.threads});
  return impl_->updated || !std::isfinite(loss) ? loss : std::numeric_limits<double>::quiet_NaN();
}

Dim Trainer::check(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight) {
  AllTargets targets;
  return check_data(impl_->net(), impl_->losses, {x, y, sample_weight}, targets);
}

double Trainer::gradients(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight,
                          std::int64_t random_step) {
  Network::Impl& net = impl_->net();
  const InUse use(net.users, Use::changes);
  const Dim rows = check_data(net, impl_->losses, {x, y, sample_weight}, impl_->step_targets);
  const std::uint64_t step = random_step >= 0 ? static_cast<std::uint64_t>(random_step) : net.step++;
  return impl_->walk(impl_->training_plan(rows, impl_->step_targets, false, Trainer::Impl::Ending::gradients),
                     {&x, &impl_->step_targets, nullptr, rows, net.seed, step, impl_->options.threads},
                     Phase::backward);
}

void Trainer::stop() { impl_->stopped = true; }

namespace {

// A plan to look at: labels where the loss takes them, no weights.
AllTargets plain_targets(const Trainer::Impl& trainer) {
  AllTargets targets(trainer.net().outputs().size());
  for (std::size_t i = 0; i < targets.size(); ++i)
    targets[i].labels = trainer.losses.of(i).takes_labels() && trainer.net().outputs()[i].shape().size() == 2;
  return targets;
}

}  // namespace

PlanInfo Trainer::plan(Dim batch_size) {
  if (batch_size < 0) fail("plan", "batch_size must not be negative, got ", batch_size);
  return compile(impl_->training_spec(batch_size, plain_targets(*impl_), false))->info();
}

PlanInfo Trainer::profile(Dim batch_size, int repeats) {
  const InUse use(impl_->net().users, Use::changes);
  if (batch_size < 1 || repeats < 1) fail("profile", "batch_size and repeats must be positive");
  const AllTargets targets = plain_targets(*impl_);
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
  const AlignedBuffer arena(plan->arena_bytes()), weights(net.values.size()), grads(bytes), first(bytes), second(bytes),
      third(bytes), scalars(Impl::kScalarBytes);
  std::memcpy(weights.data(), net.values.data(), net.values.size());
  std::byte* slots[kFirstExternal + 1] = {arena.data(),  weights.data(), grads.data(),  first.data(),
                                          second.data(), third.data(),   scalars.data()};
  PlanRun run{slots, sources};
  run.settings = impl_->optimizer.state()->next_settings();
  return plan->profile(run, repeats);
}

std::size_t Trainer::memory_estimate(Dim batch_size) {
  if (batch_size < 1) fail("memory_estimate", "batch_size must be positive, got ", batch_size);
  const std::unique_ptr<Plan> plan = compile(impl_->training_spec(batch_size, plain_targets(*impl_), false));
  return (2 + static_cast<std::size_t>(impl_->optimizer.state()->slot_count())) * impl_->net().bytes() +
         plan->arena_bytes();
}

}  // namespace backpass
