// Trainer: steps, gradients, evaluation, and the plans they run.
#include <cmath>
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "plan/boundary.h"
#include "plan/sharing.h"
#include "train/trainer_impl.h"

namespace backpass {
namespace {

// The tensors that a loss compares the network's output with.
struct LossInputs {
  Tensor y, weight, loss;
};

LossInputs build_loss(const Network::Impl& net, const Loss& loss, const Targets& targets) {
  const DType y_dtype = targets.labels ? DType::int32 : net.dtype;
  LossInputs in;
  in.y = input(targets.y_shape(net.y().shape()), y_dtype, "y");
  if (targets.weighted()) in.weight = input({kBatch}, net.dtype, "sample_weight");
  in.loss = loss.build(net.y(), in.y, in.weight);
  if (!in.loss.shape().empty()) fail(loss.type(), "must be a scalar, got ", to_string(in.loss.shape()));
  return in;
}

PlanSpec loss_spec(const Network::Impl& net, const LossInputs& in, Dim batch, bool training) {
  PlanSpec spec;
  spec.inputs = {{net.x(), true}, {in.y, true}};
  if (in.weight) spec.inputs.push_back({in.weight, true});
  spec.outputs = {{in.loss, {}}};
  spec.leaves = net.places;
  spec.batch = batch;
  spec.training = training;
  spec.dtype = net.dtype;
  mark_phase(spec, {net.y()}, Phase::forward);
  mark_phase(spec, {in.loss}, Phase::loss);
  return spec;
}

enum Variant : int { kLabels = 1, kWeighted = 2, kPredict = 4, kEvaluate = 8 };

int variant(const Targets& targets, bool predict) {
  return (targets.labels ? kLabels : 0) | (targets.weighted() ? kWeighted : 0) | (predict ? kPredict : 0);
}

constexpr Dim kEvaluateRows = 1024;

}  // namespace

PlanSpec Trainer::Impl::training_spec(Dim batch, const Targets& targets, bool predict) const {
  const LossInputs in = build_loss(net(), loss, targets);
  PlanSpec spec = loss_spec(net(), in, batch, true);
  if (predict) spec.outputs.push_back({net().y(), {}});
  const std::vector<Tensor> parameters = net().graph.parameters();
  const std::vector<Tensor> grads = backpass::gradients(in.loss, parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i)
    spec.outputs.push_back({grads[i], {kGradients, net().places.at(&parameters[i].op()).offset}});
  mark_phase(spec, grads, Phase::backward);
  spec.rule = optimizer.state()->update_rule();
  spec.update_count = net().n_parameters;
  spec.update_slots = optimizer.state()->slot_count();
  spec.guard = in.loss;
  return spec;
}

PlanSpec Trainer::Impl::evaluation_spec(Dim batch, const Targets& targets) const {
  PlanSpec spec = loss_spec(net(), build_loss(net(), loss, targets), batch, false);
  spec.outputs.push_back({net().y(), {}});
  return spec;
}

Plan& Trainer::Impl::training_plan(Dim batch, const Targets& targets, bool predict) {
  return workspace.plan(plan_key(batch, variant(targets, predict)),
                        [&] { return std::make_unique<Plan>(training_spec(batch, targets, predict)); });
}

Plan& Trainer::Impl::evaluation_plan(Dim batch, const Targets& targets) {
  return workspace.plan(plan_key(batch, variant(targets, true) | kEvaluate),
                        [&] { return std::make_unique<Plan>(evaluation_spec(batch, targets)); });
}

double Trainer::Impl::scalar(Place place) const {
  return net().dtype == DType::float64 ? *reinterpret_cast<const double*>(at(place))
                                       : static_cast<double>(*reinterpret_cast<const float*>(at(place)));
}

double Trainer::Impl::walk(Plan& plan, const Batch& batch, Phase last) {
  Optimizer::State& state = *optimizer.state();
  std::byte* slots[kFirstExternal] = {workspace.arena(), net().values.data(), net().gradient_data(),
                                      state.slots[0].data(), state.slots[1].data()};
  const RowSource sources[] = {row_source(*batch.x), row_source(batch.targets->y),
                               row_source(batch.targets->sample_weight)};
  PlanRun run{slots,          sources, batch.rows, batch.seed, batch.step, nullptr, resolve_threads(batch.threads),
              Phase::forward, last};
  if (last == Phase::update) run.settings = state.next_settings();
  plan.run(run);
  return scalar(plan.output(0));
}

double Trainer::Impl::train(const Batch& batch) {
  const double value = walk(training_plan(batch.count, *batch.targets, batch.predict), batch, Phase::update);
  if (std::isfinite(value)) ++optimizer.state()->steps;
  return value;
}

double Trainer::Impl::evaluate(const ArrayView& x, const Targets& targets, int threads_, Array* predictions) {
  const Dim rows = x.rows();
  double total = 0, total_weight = 0;
  const std::size_t row_bytes = predictions ? predictions->bytes() / static_cast<std::size_t>(rows) : 0;
  for (Dim begin = 0; begin < rows; begin += kEvaluateRows) {
    const Dim count = std::min(kEvaluateRows, rows - begin);
    ArrayView tile_x = x;
    Targets tile = targets;
    for (ArrayView* view : {&tile_x, &tile.y, &tile.sample_weight})
      if (!view->empty()) view->data = static_cast<const std::byte*>(view->data) + begin * view->row_stride;
    double weight = static_cast<double>(count);
    if (targets.weighted()) {
      weight = 0;
      for (Dim i = 0; i < count; ++i) {
        double value = 0;
        convert(&value, DType::float64,
                static_cast<const std::byte*>(tile.sample_weight.data) + i * tile.sample_weight.row_stride,
                tile.sample_weight.type, 1);
        weight += value;
      }
    }
    Plan& plan = evaluation_plan(count, targets);
    const double value = walk(plan, {&tile_x, &tile, nullptr, count, 0, 0, threads_}, Phase::loss);
    if (weight > 0) total += value * weight;
    total_weight += weight;
    if (predictions)
      std::memcpy(static_cast<std::byte*>(predictions->data()) + static_cast<std::size_t>(begin) * row_bytes,
                  at(plan.output(1)), static_cast<std::size_t>(count) * row_bytes);
  }
  return total / total_weight;
}

Targets check_data(const Trainer::Impl& trainer, const TrainingData& data) {
  const Dim rows = check_shape("x", data.x, trainer.net().x().shape());
  if (data.y.shape.empty() || data.y.rows() != rows)
    fail("y", "expected ", rows, " rows as x has, got shape ", to_string(data.y.shape));
  return fit_targets(trainer.loss, trainer.net().y().shape(), data.y, data.sample_weight, rows);
}

void check_finite_data(const char* what, const ArrayView& view, DType dtype) {
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

Trainer::Trainer(Network network, Loss loss, Optimizer optimizer, TrainerOptions options) {
  if (!network) fail("Trainer", "needs a network");
  if (options.threads < 0) fail("Trainer", "threads must not be negative, got ", options.threads);
  impl_ = std::shared_ptr<Impl>(
      new Impl{std::move(network), std::move(loss), std::move(optimizer), options.threads, {}, false});
}

double Trainer::step(const ArrayView& x, const ArrayView& y, const ArrayView& sample_weight) {
  const InUse use(impl_->net());
  const Targets targets = check_data(*impl_, {x, y, sample_weight});
  impl_->optimizer.state()->bind(impl_->network);
  Network::Impl& net = impl_->net();
  return impl_->train({&x, &targets, nullptr, x.rows(), net.seed, net.step++, impl_->threads});
}

double Trainer::gradients(const ArrayView& x, const ArrayView& y, const ArrayView& sample_weight,
                          std::int64_t random_step) {
  const InUse use(impl_->net());
  const Targets targets = check_data(*impl_, {x, y, sample_weight});
  Network::Impl& net = impl_->net();
  const std::uint64_t step = random_step >= 0 ? static_cast<std::uint64_t>(random_step) : net.step++;
  return impl_->walk(impl_->training_plan(x.rows(), targets, false),
                     {&x, &targets, nullptr, x.rows(), net.seed, step, impl_->threads}, Phase::backward);
}

void Trainer::stop() { impl_->stopped = true; }

Logs Trainer::evaluate(const TrainingData& data, const std::vector<std::pair<std::string, Metric>>& metrics) {
  const InUse use(impl_->net());
  const Targets targets = check_data(*impl_, data);
  if (data.x.rows() == 0) fail("evaluate", "needs at least one row");
  Array predictions(impl_->net().dtype, impl_->net().output_shape(metrics.empty() ? 0 : data.x.rows()));
  Logs logs{{"loss", impl_->evaluate(data.x, targets, impl_->threads, metrics.empty() ? nullptr : &predictions)}};
  for (const auto& [name, compute] : metrics) logs.emplace_back(name, compute(targets.y, predictions));
  return logs;
}

namespace {

// A plan to look at: labels where the loss takes them, no weights.
Targets plain_targets(const Trainer::Impl& trainer) {
  Targets targets;
  targets.labels = trainer.loss.takes_labels() && trainer.net().y().shape().size() == 2;
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
  const Targets shape = plain_targets(*impl_);
  Plan plan(impl_->training_spec(batch_size, shape, false));
  const Network::Impl& net = impl_->net();
  const std::size_t bytes = net.bytes();
  Shape in = net.x().shape();
  in[0] = batch_size;
  const Array x(net.dtype, in),
      y = shape.labels ? Array(DType::int32, {batch_size}) : Array(net.dtype, net.output_shape(batch_size));
  // The update works on copies: profiling changes nothing.
  const AlignedBuffer arena(plan.arena_bytes()), weights(bytes), grads(bytes), first(bytes), second(bytes);
  std::memcpy(weights.data(), net.values.data(), bytes);
  std::byte* slots[kFirstExternal] = {arena.data(), weights.data(), grads.data(), first.data(), second.data()};
  const RowSource sources[] = {row_source(x), row_source(y)};
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
