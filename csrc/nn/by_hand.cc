// Forward and backward by hand, and what a network can tell of its plans.
#include "base/convert.h"
#include "base/error.h"
#include "graph/op.h"
#include "nn/network_impl.h"
#include "plan/boundary.h"
#include "plan/sharing.h"

namespace backpass {
namespace {

// The external slots of the plans below, after x, which is gathered: it must outlive the caller's array.
enum : int { kGradOutput = kFirstExternal, kOutput, kGradInput, kSlots };

// A copy for the caller, made in its phase: backward may need the output's values when the caller's array is gone, and
// a value that is passed through (an identity) is not there before its phase.
void add_output(PlanSpec& spec, const Tensor& value, int slot, Phase phase) {
  const Tensor copy = elementwise(Elementwise::copy, value);
  mark_phase(spec, {copy}, phase);
  spec.outputs.push_back({copy, {slot, 0}});
}

// Forward, then backward from an external gradient; parameter gradients are added to the buffer.
PlanSpec by_hand_spec(const Network::Impl& net, Dim batch) {
  PlanSpec spec;
  spec.leaves = net.places;
  spec.batch = batch;
  spec.dtype = net.dtype;
  spec.training = true;
  spec.separate_phases = true;
  const Tensor grad_output = input(net.y().shape(), net.dtype, "grad_output");
  spec.inputs = {{net.x(), true}, {grad_output, false}};
  add_output(spec, net.y(), kOutput, Phase::forward);

  std::vector<Tensor> wanted = net.graph.parameters();
  wanted.push_back(net.x());
  const std::vector<Tensor> grads = gradients(net.y(), wanted, grad_output);
  for (std::size_t i = 0; i + 1 < wanted.size(); ++i) {
    const Place place{kGradients, net.places.at(&wanted[i].op()).offset};
    const Tensor before = input(wanted[i].shape(), net.dtype, "grad " + wanted[i].name());
    spec.leaves[&before.op()] = place;
    spec.outputs.push_back({before + grads[i], place});
  }
  for (const PlanOutput& output : spec.outputs) mark_phase(spec, {output.tensor}, Phase::backward);
  add_output(spec, grads.back(), kGradInput, Phase::backward);
  return spec;
}

Plan& by_hand_plan(Network::Impl& net, Dim batch) {
  return net.by_hand.plan(plan_key(batch, 0), [&] { return std::make_unique<Plan>(by_hand_spec(net, batch)); });
}

void run_phase(Network::Impl& net, Plan& plan, Phase phase, const ArrayView& x, const void* grad_output, void* output,
               void* grad_input) {
  std::byte* slots[kSlots] = {net.by_hand.arena(),
                              net.values.data(),
                              net.gradient_data(),
                              nullptr,
                              nullptr,
                              static_cast<std::byte*>(const_cast<void*>(grad_output)),
                              static_cast<std::byte*>(output),
                              static_cast<std::byte*>(grad_input)};
  const RowSource source = row_source(x);
  PlanRun run{slots};
  run.sources = {&source, 1};
  run.seed = net.seed;
  run.step = net.kept.step;
  run.threads = resolve_threads(0);
  run.first = run.last = phase;
  plan.run(run);
}

Array dense(const ArrayView& view, DType dtype) {
  const Tensor t = input(view.shape, dtype, "grad_output");
  return evaluate(Graph({t}, {t}), {view})[0];
}

}  // namespace

Array Network::forward(const ArrayView& x, bool training, std::int64_t random_step) {
  const Dim rows = check_shape("x", x, impl_->x().shape());
  if (!training) return predict(x, std::max<Dim>(1, rows));
  const InUse use(*impl_);
  Array output(dtype(), impl_->output_shape(rows));
  impl_->kept = {rows, random_step >= 0 ? static_cast<std::uint64_t>(random_step) : impl_->step++};
  run_phase(*impl_, by_hand_plan(*impl_, rows), Phase::forward, x, nullptr, output.data(), nullptr);
  return output;
}

Array Network::backward(const ArrayView& grad_output) {
  const InUse use(*impl_);
  if (impl_->kept.batch < 0)
    throw std::runtime_error(
        message("backward", "needs a forward(training=True) before it; each keeps its values for one backward"));
  const Dim rows = impl_->kept.batch;
  check_shape("grad_output", grad_output, impl_->output_shape(rows));
  Shape shape = impl_->x().shape();
  shape[0] = rows;
  Array grad_input(dtype(), shape);
  const Array grad = dense(grad_output, dtype());
  run_phase(*impl_, by_hand_plan(*impl_, rows), Phase::backward, {}, grad.data(), nullptr, grad_input.data());
  impl_->kept.batch = -1;  // backward has reused the memory of what forward kept
  return grad_input;
}

namespace {

void check_batch_size(Dim batch_size) {
  if (batch_size < 0) fail("plan", "batch_size must not be negative, got ", batch_size);
}

PlanSpec forward_spec(const Network::Impl& net, Dim batch) {
  PlanSpec spec;
  spec.inputs = {{net.x(), false}};
  spec.outputs = {{net.y(), {kFirstExternal + 1, 0}}};
  spec.leaves = net.places;
  spec.batch = batch;
  spec.dtype = net.dtype;
  return spec;
}

Plan described_plan(const Network::Impl& net, Dim batch_size, bool training) {
  check_batch_size(batch_size);
  return Plan(training ? by_hand_spec(net, batch_size) : forward_spec(net, batch_size));
}

}  // namespace

PlanInfo Network::plan(Dim batch_size, bool training) { return described_plan(*impl_, batch_size, training).info(); }

PlanInfo Network::profile(Dim batch_size, bool training, int repeats) {
  const InUse use(*impl_);
  Plan plan = described_plan(*impl_, batch_size, training);
  const AlignedBuffer arena(plan.arena_bytes()), gradients(impl_->bytes());
  Shape in = impl_->x().shape(), out = impl_->output_shape(batch_size);
  in[0] = batch_size;
  Array x(dtype(), in), y(dtype(), out), grad_output(dtype(), out), grad_input(dtype(), in);
  std::byte* slots[kSlots] = {arena.data(), impl_->values.data(), gradients.data(), nullptr, nullptr, nullptr, nullptr,
                              nullptr};
  slots[kFirstExternal] = static_cast<std::byte*>(training ? grad_output.data() : x.data());
  slots[kFirstExternal + 1] = static_cast<std::byte*>(y.data());
  slots[kFirstExternal + 2] = static_cast<std::byte*>(grad_input.data());
  const RowSource source = row_source(x);
  PlanRun run{slots};
  run.sources = {&source, 1};
  return plan.profile(run, repeats);
}

std::size_t Network::memory_estimate(Dim batch_size) {
  check_batch_size(batch_size);
  return 2 * impl_->bytes() + Plan(by_hand_spec(*impl_, batch_size)).arena_bytes();
}

std::string Network::Impl::first_non_finite(const ArrayView& data, const std::int64_t* rows, Dim batch,
                                            std::uint64_t random_seed, std::uint64_t random_step) {
  std::vector<std::pair<std::string, Tensor>> watched;
  for (std::size_t i = 0; i < layer_outputs.size(); ++i)
    watched.emplace_back(layers[i].type + " " + std::to_string(i), layer_outputs[i]);
  if (watched.empty())
    for (const Tensor& t : graph.ops())
      if (!t.op().inputs.empty()) watched.emplace_back(t.kind(), t);
  PlanSpec spec;
  spec.inputs = {{x(), true}};
  spec.leaves = places;
  spec.batch = batch;
  spec.dtype = dtype;
  spec.training = true;
  for (const auto& entry : watched) spec.outputs.push_back({entry.second, {}});
  Plan plan(spec);
  const AlignedBuffer arena(plan.arena_bytes());
  std::byte* slots[kFirstExternal] = {arena.data(), values.data(), nullptr, nullptr, nullptr};
  const RowSource source = row_source(data);
  PlanRun run{slots};
  run.sources = {&source, 1};
  run.rows = rows;
  run.seed = random_seed;
  run.step = random_step;
  plan.run(run);
  for (std::size_t i = 0; i < watched.size(); ++i) {
    const Place place = plan.output(i);
    Shape shape = watched[i].second.shape();
    for (Dim& dim : shape)
      if (dim == kBatch) dim = batch;
    const ElementType type = dtype == DType::float64 ? ElementType::float64 : ElementType::float32;
    if (place.slot == kArena &&
        check_finite(arena.data() + place.offset, type, dtype, element_count(shape)) != Finite::yes)
      return watched[i].first;
  }
  return "the loss";
}

}  // namespace backpass
