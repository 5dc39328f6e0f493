// Forward and backward by hand, and what a network can tell of its plans.
#include <cstring>
#include <unordered_set>

#include "backpass/function.h"
#include "base/convert.h"
#include "base/error.h"
#include "graph/reach.h"
#include "nn/network_impl.h"
#include "plan/boundary.h"
#include "plan/workers/sharing.h"

namespace backpass {
namespace {

// A copy for the caller, made in its phase: backward may need the output's values when the caller's array is gone, and
// a value that is passed through (an identity) is not there before its phase.
void add_output(PlanSpec& spec, const Tensor& value, int slot, Phase phase) {
  const Tensor copy = elementwise(Elementwise::copy, value);
  mark_phase(spec, {copy}, phase);
  spec.outputs.push_back({copy, {slot, 0}});
}

// The inputs that have gradients.
std::vector<Tensor> real_inputs(const Network::Impl& net) {
  std::vector<Tensor> real;
  for (const Tensor& x : net.inputs())
    if (x.dtype() != DType::int32) real.push_back(x);
  return real;
}

bool is_view(const Tensor& t) { return t.op().kind == OpKind::broadcast || t.op().kind == OpKind::reshape; }

// Forward has moved the states when backward runs: what backward needs must not be among them.
void check_states(const PlanSpec& spec, const Network::Impl& net, const std::vector<Tensor>& grads) {
  std::unordered_set<const Op*> moved;
  for (const Network::Impl::Tracked& tracked : net.tracked) moved.insert(&tracked.state.op());
  for (const Tensor& t : reachable(grads))
    for (const Tensor& from : t.op().inputs) {
      if (moved.count(&from.op()) == 0) continue;
      if (is_view(t)) moved.insert(&t.op());
      if (!is_view(t) && spec.phases.count(&t.op()) == 0)
        fail("forward", "the gradient needs a state that a forward by hand moves: use a Trainer");
    }
}

// Forward, then backward from external gradients; parameter gradients are added to the buffer. x is gathered: it must
// outlive the caller's array. External slots: the gradients of the outputs, the outputs, the gradients of real inputs.
PlanSpec by_hand_spec(const Network::Impl& net, Dim batch) {
  PlanSpec spec;
  spec.leaves = net.places;
  spec.batch = batch;
  spec.dtype = net.dtype;
  spec.training = true;
  spec.separate_phases = true;
  int slot = kFirstExternal;
  for (const Tensor& x : net.inputs()) spec.inputs.push_back({x, true});
  std::vector<Tensor> seeds;
  for (const Tensor& y : net.outputs()) {
    seeds.push_back(input(y.shape(), net.dtype, "grad_output"));
    spec.inputs.push_back({seeds.back(), false});
    ++slot;
  }
  for (const Tensor& y : net.outputs()) add_output(spec, y, slot++, Phase::forward);
  assign_states(spec, net, Phase::forward);

  std::vector<Tensor> wanted = net.trained();
  const std::size_t n_parameters = wanted.size();
  for (const Tensor& x : real_inputs(net)) wanted.push_back(x);
  const std::vector<Tensor> grads = gradients_of_all(net.outputs(), wanted, seeds);
  for (std::size_t i = 0; i < n_parameters; ++i) {
    const Place place = gradient_beside(net.places.at(&wanted[i].op()));
    const Tensor before = input(wanted[i].shape(), net.dtype, "grad " + wanted[i].name());
    spec.leaves[&before.op()] = place;
    spec.outputs.push_back({before + grads[i], place});
  }
  check_states(spec, net, grads);
  for (const PlanOutput& output : spec.outputs) mark_phase(spec, {output.tensor}, Phase::backward);
  for (std::size_t i = n_parameters; i < grads.size(); ++i) add_output(spec, grads[i], slot++, Phase::backward);
  return spec;
}

// By instruction set and what is frozen, too: backward must find what forward has left.
PlanKey by_hand_key(const Network::Impl& net, Dim batch) { return plan_key(batch, 0, net.freezes); }

Plan& by_hand_plan(Network::Impl& net, Dim batch) {
  return net.by_hand.workspace.plan(by_hand_key(net, batch),
                                    [&] { return std::make_unique<Plan>(by_hand_spec(net, batch)); });
}

// The arrays of one phase; those of the other are absent.
struct ByHand {
  const ArrayViews* x = nullptr;
  std::vector<Array>*grad_outputs = nullptr, *outputs = nullptr, *grad_inputs = nullptr;
};

void push_slots(std::vector<std::byte*>& slots, const std::vector<Array>* arrays, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i)
    slots.push_back(arrays ? static_cast<std::byte*>(const_cast<void*>((*arrays)[i].data())) : nullptr);
}

void run_phase(Network::Impl& net, Plan& plan, Phase phase, const ByHand& arrays) {
  RunMemory& memory = net.by_hand;
  memory.slots.assign({memory.workspace.arena(), net.first_values(), net.first_gradients()});
  memory.slots.resize(kFirstExternal, nullptr);
  push_slots(memory.slots, arrays.grad_outputs, net.outputs().size());
  push_slots(memory.slots, arrays.outputs, net.outputs().size());
  push_slots(memory.slots, arrays.grad_inputs, real_inputs(net).size());
  memory.sources.clear();
  for (std::size_t i = 0; i < net.inputs().size(); ++i)
    memory.sources.push_back(arrays.x ? row_source((*arrays.x)[i]) : RowSource{});
  PlanRun run{memory.slots};
  run.sources = memory.sources;
  run.seed = net.seed;
  run.step = net.kept.step;
  run.threads = resolve_threads(0);
  run.first = run.last = phase;
  run.blocks = net.set_blocks();
  plan.run(run);
}

Array dense(const ArrayView& view, DType dtype) {
  const Tensor t = input(view.shape, dtype, "grad_output");
  return evaluate(Graph({t}, {t}), {view})[0];
}

}  // namespace

std::vector<Array> Network::forward_all(const ArrayViews& x, bool training, std::int64_t random_step) {
  const Dim rows = impl_->check_inputs(x);
  if (!training) return predict_all(x, std::max<Dim>(1, rows));
  const InUse use(impl_->users, Use::changes);
  std::vector<Array> outputs;
  for (const Tensor& y : impl_->outputs()) outputs.emplace_back(dtype(), with_rows(y.shape(), rows));
  impl_->kept = {-1, random_step >= 0 ? static_cast<std::uint64_t>(random_step) : impl_->step++,
                 by_hand_key(*impl_, rows)};
  run_phase(*impl_, by_hand_plan(*impl_, rows), Phase::forward, {&x, nullptr, &outputs, nullptr});
  impl_->kept.batch = rows;
  return outputs;
}

std::vector<Array> Network::backward_all(const ArrayViews& grad_output) {
  const InUse use(impl_->users, Use::changes);
  if (impl_->kept.batch < 0 || !(impl_->kept.key == by_hand_key(*impl_, impl_->kept.batch)))
    throw std::runtime_error(
        message("backward", "needs a forward in training before it; each keeps its values for one backward"));
  const Dim rows = impl_->kept.batch;
  const std::vector<Tensor>& outputs = impl_->outputs();
  if (grad_output.size() != outputs.size())
    fail("grad_output", "expected one array for each of ", outputs.size(), " outputs, got ", grad_output.size());
  std::vector<Array> seeds, real, result;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    check_shape("grad_output", grad_output[i], with_rows(outputs[i].shape(), rows));
    seeds.push_back(dense(grad_output[i], dtype()));
  }
  for (const Tensor& x : impl_->inputs()) {
    result.emplace_back(dtype(), with_rows(x.shape(), rows));
    if (x.dtype() != DType::int32) real.push_back(result.back());  // arrays share their memory
  }
  impl_->kept.batch = -1;  // backward reuses the memory of what forward kept
  run_phase(*impl_, by_hand_plan(*impl_, rows), Phase::backward, {nullptr, &seeds, nullptr, &real});
  return result;
}

std::vector<Array> Network::evaluate(const std::vector<Tensor>& inputs, const std::vector<Tensor>& outputs,
                                     const std::vector<ArrayView>& values, std::int64_t random_step) {
  const InUse use(impl_->users, Use::changes);
  const Function function(Graph(inputs, outputs), true, "evaluate");
  std::vector<const void*> leaves;
  for (const Tensor& t : function.leaves()) {
    if (impl_->places.count(&t.op()) == 0) fail("evaluate", "parameter \"", t.name(), "\" is not of this network");
    leaves.push_back(home_values(t.op()));
  }
  return function(values, leaves,
                  {impl_->seed, random_step >= 0 ? static_cast<std::uint64_t>(random_step) : impl_->step++});
}

namespace {

void check_positive(const char* who, const char* what, Dim value) {
  if (value < 1) fail(who, what, " must be positive, got ", value);
}

Plan described_plan(const Network::Impl& net, Dim batch_size, bool training) {
  return Plan(training ? by_hand_spec(net, batch_size) : predict_spec(net, batch_size, 0));
}

}  // namespace

PlanInfo Network::plan(Dim batch_size, bool training) {
  check_positive("plan", "batch_size", batch_size);
  return described_plan(*impl_, batch_size, training).info();
}

PlanInfo Network::profile(Dim batch_size, bool training, int repeats) {
  check_positive("profile", "batch_size", batch_size);
  check_positive("profile", "repeats", repeats);
  const InUse use(impl_->users, Use::reads);
  Plan plan = described_plan(*impl_, batch_size, training);
  const AlignedBuffer arena(plan.arena_bytes());
  const ValuesApart apart(*impl_);  // training would move the states
  const auto arrays_for = [&](const std::vector<Tensor>& tensors) {
    std::vector<Array> arrays;
    for (const Tensor& t : tensors) arrays.emplace_back(t.dtype(), with_rows(t.shape(), batch_size));
    return arrays;
  };
  const std::vector<Array> x = arrays_for(impl_->inputs()), y = arrays_for(impl_->outputs()),
                           grad_output = arrays_for(impl_->outputs()), grad_input = arrays_for(real_inputs(*impl_));
  std::vector<std::byte*> slots{arena.data(), apart.values.data(), apart.gradients.data()};
  slots.resize(kFirstExternal, nullptr);
  push_slots(slots, training ? &grad_output : &x, training ? grad_output.size() : x.size());
  push_slots(slots, &y, y.size());
  if (training) push_slots(slots, &grad_input, grad_input.size());
  std::vector<RowSource> sources;
  for (const Array& array : x) sources.push_back(row_source(array));
  PlanRun run{slots};
  run.sources = sources;
  run.blocks = apart.more_blocks;
  return plan.profile(run, repeats);
}

std::size_t Network::memory_estimate(Dim batch_size) {
  check_positive("memory_estimate", "batch_size", batch_size);
  return 2 * impl_->bytes() + Plan(by_hand_spec(*impl_, batch_size)).arena_bytes();
}

std::string Network::Impl::first_non_finite(const ArrayViews& data, const std::int64_t* rows, Dim batch,
                                            std::uint64_t random_seed, std::uint64_t random_step) {
  std::vector<std::pair<std::string, Tensor>> watched;
  for (const PlacedLayer& layer : layers)
    watched.emplace_back(layer.use->description.type + " " + layer.path, layer.output);
  if (watched.empty())
    for (const Tensor& t : graph.ops())
      if (!t.op().inputs.empty()) watched.emplace_back(t.kind(), t);
  PlanSpec spec;
  for (const Tensor& x : inputs()) spec.inputs.push_back({x, true});
  spec.leaves = places;
  spec.batch = batch;
  spec.dtype = dtype;
  spec.training = true;
  for (const auto& entry : watched) spec.outputs.push_back({entry.second, {}});
  Plan plan(spec);
  const AlignedBuffer arena(plan.arena_bytes());
  std::byte* fixed[kFirstExternal] = {arena.data(), first_values()};
  std::vector<RowSource> views;
  for (std::size_t i = 0; i < data.size(); ++i) views.push_back(row_source(data[i]));
  PlanRun over{fixed};
  over.sources = views;
  over.rows = rows;
  over.seed = random_seed;
  over.step = random_step;
  over.blocks = more_blocks;
  run(plan, over);
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
