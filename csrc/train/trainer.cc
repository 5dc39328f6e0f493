// Trainer: steps, gradients, evaluation, and the plans they run.
#include <cmath>
#include <cstring>
#include <limits>

#include "base/convert.h"
#include "base/error.h"
#include "plan/boundary.h"
#include "plan/sharing.h"
#include "train/trainer_impl.h"

namespace backpass {
namespace {

void check_count(const Losses& losses, std::size_t outputs) {
  if (losses.size() != 1 && losses.size() != outputs)
    fail("loss", "expected one, or one for each of ", outputs, " outputs, got ", losses.size());
}

// Labels by output from bit 3 on.
enum Variant : int { kWeighted = 1, kPredict = 2, kEvaluate = 4, kLabels = 8 };

int variant(const AllTargets& targets, bool predict) {
  int bits = (targets[0].weighted() ? kWeighted : 0) | (predict ? kPredict : 0);
  for (std::size_t i = 0; i < targets.size(); ++i)
    if (targets[i].labels) bits |= kLabels << i;
  return bits;
}

constexpr Dim kEvaluateRows = 1024;

}  // namespace

LossInputs build_losses(const Network::Impl& net, const Losses& losses, const AllTargets& targets) {
  LossInputs in;
  if (targets[0].weighted()) in.weight = input({kBatch}, net.dtype, "sample_weight");
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Tensor& prediction = net.outputs()[i];
    in.y.push_back(input(targets[i].y_shape(prediction.shape()), targets[i].labels ? DType::int32 : net.dtype, "y"));
    const Tensor loss = losses.of(i).build(prediction, in.y[i], in.weight);
    if (!loss.shape().empty()) fail(losses.of(i).type(), "must be a scalar, got ", to_string(loss.shape()));
    in.loss = i == 0 ? loss : in.loss + loss;
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

void add_sources(std::vector<RowSource>& sources, const ArrayViews& x, const AllTargets& targets) {
  for (std::size_t i = 0; i < x.size(); ++i) sources.push_back(row_source(x[i]));
  for (const Targets& t : targets) sources.push_back(row_source(t.y));
  if (targets[0].weighted()) sources.push_back(row_source(targets[0].sample_weight));
}

PlanSpec Trainer::Impl::training_spec(Dim batch, const AllTargets& targets, bool predict) const {
  const LossInputs in = build_losses(net(), losses, targets);
  PlanSpec spec = loss_spec(net(), in, batch, true);
  assign_states(spec, net(), Phase::update);
  if (predict) spec.outputs.push_back({net().outputs()[0], {}});
  const std::vector<Tensor> parameters = net().graph.parameters();
  const std::vector<Tensor> grads = backpass::gradients(in.loss, parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    spec.outputs.push_back({grads[i], {kGradients, net().places.at(&parameters[i].op()).offset}});
  mark_phase(spec, grads, Phase::backward);
  spec.update = optimizer.state()->update_phase(net());
  spec.guard = in.loss;
  return spec;
}

PlanSpec Trainer::Impl::evaluation_spec(Dim batch, const AllTargets& targets) const {
  PlanSpec spec = loss_spec(net(), build_losses(net(), losses, targets), batch, false);
  if (net().outputs().size() == 1) spec.outputs.push_back({net().outputs()[0], {}});
  return spec;
}

Plan& Trainer::Impl::training_plan(Dim batch, const AllTargets& targets, bool predict) {
  return workspace.plan(plan_key(batch, variant(targets, predict)),
                        [&] { return std::make_unique<Plan>(training_spec(batch, targets, predict)); });
}

Plan& Trainer::Impl::evaluation_plan(Dim batch, const AllTargets& targets) {
  return workspace.plan(plan_key(batch, variant(targets, true) | kEvaluate),
                        [&] { return std::make_unique<Plan>(evaluation_spec(batch, targets)); });
}

double Trainer::Impl::scalar(Place place) const {
  return net().dtype == DType::float64 ? *reinterpret_cast<const double*>(at(place))
                                       : static_cast<double>(*reinterpret_cast<const float*>(at(place)));
}

double Trainer::Impl::walk(Plan& plan, const Batch& batch, Phase last) {
  Optimizer::State& state = *optimizer.state();
  const auto slots = state.buffers(net(), workspace.arena());
  sources.clear();
  add_sources(sources, *batch.x, *batch.targets);
  PlanRun run{slots,          sources, batch.rows, batch.seed, batch.step, nullptr, resolve_threads(batch.threads),
              Phase::forward, last};
  if (last == Phase::update) run.settings = state.next_settings();
  plan.run(run);
  return scalar(plan.output(0));
}

double Trainer::Impl::train(const Batch& batch) {
  Plan& plan = training_plan(batch.count, *batch.targets, batch.predict);
  const double value = walk(plan, batch, Phase::update);
  updated = plan.updated();
  if (updated) ++optimizer.state()->steps;
  return value;
}

namespace {

ArrayView rows_from(ArrayView view, Dim begin) {
  if (!view.empty()) view.data = static_cast<const std::byte*>(view.data) + begin * view.row_stride;
  return view;
}

ArrayViews rows_from(const ArrayViews& views, Dim begin) {
  if (views.size() == 1) return rows_from(views[0], begin);
  std::vector<ArrayView> moved;
  for (std::size_t i = 0; i < views.size(); ++i) moved.push_back(rows_from(views[i], begin));
  return moved;
}

// The weight of the first rows in the mean: their number, or the sum of their weights.
double weight_of(const Targets& targets, Dim count) {
  if (!targets.weighted()) return static_cast<double>(count);
  double total = 0;
  for (Dim i = 0; i < count; ++i) {
    double value = 0;
    convert(&value, DType::float64,
            static_cast<const std::byte*>(targets.sample_weight.data) + i * targets.sample_weight.row_stride,
            targets.sample_weight.type, 1);
    total += value;
  }
  return total;
}

}  // namespace

double Trainer::Impl::evaluate(const ArrayViews& x, const AllTargets& all, int threads_, Array* predictions) {
  const Dim rows = x[0].rows();
  double total = 0, total_weight = 0;
  const std::size_t row_bytes = predictions ? predictions->bytes() / static_cast<std::size_t>(rows) : 0;
  for (Dim begin = 0; begin < rows; begin += kEvaluateRows) {
    const Dim count = std::min(kEvaluateRows, rows - begin);
    const ArrayViews tile_x = rows_from(x, begin);
    AllTargets tile = all;
    for (Targets& t : tile) {
      t.y = rows_from(t.y, begin);
      t.sample_weight = rows_from(t.sample_weight, begin);
    }
    const double weight = weight_of(tile[0], count);
    Plan& plan = evaluation_plan(count, all);
    const double value = walk(plan, {&tile_x, &tile, nullptr, count, 0, 0, threads_}, Phase::loss);
    if (weight > 0) total += value * weight;
    total_weight += weight;
    if (predictions)
      std::memcpy(static_cast<std::byte*>(predictions->data()) + static_cast<std::size_t>(begin) * row_bytes,
                  at(plan.output(1)), static_cast<std::size_t>(count) * row_bytes);
  }
  return total / total_weight;
}

Dim check_data(const Network::Impl& net, const Losses& losses, const TrainingData& data, AllTargets& targets) {
  const std::vector<Tensor>& outputs = net.outputs();
  const Dim rows = net.check_inputs(data.x);
  check_count(losses, outputs.size());
  if (data.y.size() != outputs.size())
    fail("y", "expected one array for each of ", outputs.size(), " outputs, got ", data.y.size());
  targets.resize(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const ArrayView& y = data.y[i];
    if (y.shape.empty() || y.rows() != rows)
      fail("y", "expected ", rows, " rows as x has, got shape ", to_string(y.shape));
    targets[i] = fit_targets(losses.of(i), outputs[i].shape(), y, data.sample_weight, rows);
  }
  return rows;
}

namespace {

void check_finite_rows(const char* what, const ArrayView& view, DType dtype) {
  if (view.empty()) return;
  const Dim rows = view.rows(), cols = rows > 0 ? element_count(view.shape) / rows : 0;
  for (Dim row = 0; row < rows; ++row) {
    const Finite finite =
        check_finite(static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, dtype, cols);
    if (finite == Finite::non_finite)
      fail(what, "has a value that is not finite in row ", row, "; check_finite=False lets it pass");
    if (finite == Finite::overflows) fail(what, "has a value in row ", row, " that is too large for ", name(dtype));
  }
}

}  // namespace

void check_finite_data(const char* what, const ArrayViews& views, DType dtype) {
  for (std::size_t i = 0; i < views.size(); ++i) check_finite_rows(what, views[i], dtype);
}

Trainer::Trainer(Network network, Losses losses, Optimizer optimizer, TrainerOptions options) {
  if (!network) fail("Trainer", "needs a network");
  check_count(losses, network.impl().outputs().size());
  if (options.threads < 0) fail("Trainer", "threads must not be negative, got ", options.threads);
  impl_ = std::shared_ptr<Impl>(
      new Impl{std::move(network), std::move(losses), std::move(optimizer), options.threads, {}, false, false, {}, {}});
}

double Trainer::step(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight) {
  Network::Impl& net = impl_->net();
  const InUse use(net);
  const Dim rows = check_data(net, impl_->losses, {x, y, sample_weight}, impl_->step_targets);
  impl_->training_plan(rows, impl_->step_targets, false);  // what can fail comes before the optimizer is bound
  impl_->optimizer.state()->bind(impl_->network);
  const double loss = impl_->train({&x, &impl_->step_targets, nullptr, rows, net.seed, net.step++, impl_->threads});
  return impl_->updated || !std::isfinite(loss) ? loss : std::numeric_limits<double>::quiet_NaN();
}

double Trainer::gradients(const ArrayViews& x, const ArrayViews& y, const ArrayView& sample_weight,
                          std::int64_t random_step) {
  Network::Impl& net = impl_->net();
  const InUse use(net);
  const Dim rows = check_data(net, impl_->losses, {x, y, sample_weight}, impl_->step_targets);
  const std::uint64_t step = random_step >= 0 ? static_cast<std::uint64_t>(random_step) : net.step++;
  return impl_->walk(impl_->training_plan(rows, impl_->step_targets, false),
                     {&x, &impl_->step_targets, nullptr, rows, net.seed, step, impl_->threads}, Phase::backward);
}

void Trainer::stop() { impl_->stopped = true; }

Logs Trainer::evaluate(const TrainingData& data, const std::vector<std::pair<std::string, Metric>>& metrics) {
  Network::Impl& net = impl_->net();
  const InUse use(net);
  AllTargets targets;
  const Dim rows = check_data(net, impl_->losses, data, targets);
  if (rows == 0) fail("evaluate", "needs at least one row");
  check_metrics(net, metrics.size());
  Array predictions(net.dtype, with_rows(net.outputs()[0].shape(), metrics.empty() ? 0 : rows));
  Logs logs{{"loss", impl_->evaluate(data.x, targets, impl_->threads, metrics.empty() ? nullptr : &predictions)}};
  for (const auto& [name, compute] : metrics) logs.emplace_back(name, compute(targets[0].y, predictions));
  return logs;
}

void check_metrics(const Network::Impl& net, std::size_t count) {
  if (count > 0 && net.outputs().size() != 1)
    fail("metrics", "need a network of one output, this one has ", net.outputs().size());
}

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
  return Plan(impl_->training_spec(batch_size, plain_targets(*impl_), false)).info();
}

PlanInfo Trainer::profile(Dim batch_size, int repeats) {
  const InUse use(impl_->net());
  if (batch_size < 1 || repeats < 1) fail("profile", "batch_size and repeats must be positive");
  const AllTargets targets = plain_targets(*impl_);
  const PlanSpec spec = impl_->training_spec(batch_size, targets, false);
  Plan plan(spec);
  const Network::Impl& net = impl_->net();
  const std::size_t bytes = net.bytes();
  std::vector<Array> made_up;
  std::vector<RowSource> sources;
  for (const PlanInput& in : spec.inputs) {
    made_up.emplace_back(in.tensor.dtype(), with_rows(in.tensor.shape(), batch_size));
    sources.push_back(row_source(made_up.back()));
  }
  // The update works on copies: profiling changes nothing.
  const AlignedBuffer arena(plan.arena_bytes()), weights(bytes), grads(bytes), first(bytes), second(bytes),
      third(bytes);
  std::memcpy(weights.data(), net.values.data(), bytes);
  std::byte* slots[kFirstExternal] = {arena.data(), weights.data(), grads.data(),
                                      first.data(), second.data(),  third.data()};
  PlanRun run{slots, sources};
  run.settings = impl_->optimizer.state()->next_settings();
  return plan.profile(run, repeats);
}

std::size_t Trainer::memory_estimate(Dim batch_size) {
  const Plan plan(impl_->training_spec(batch_size, plain_targets(*impl_), false));
  return (2 + static_cast<std::size_t>(impl_->optimizer.state()->slot_count())) * impl_->net().bytes() +
         plan.arena_bytes();
}

}  // namespace backpass
