// Function: a graph, its plans, and memory for each run under way.
#include "backpass/function.h"

#include "base/convert.h"
#include "base/error.h"
#include "base/turns.h"
#include "plan/boundary.h"
#include "plan/in_place.h"
#include "plan/spares.h"
#include "plan/workers/sharing.h"

namespace backpass {
namespace {

// The one type in which a graph computes; float32 where it does not compute.
DType real_dtype(const std::string& who, const Graph& graph) {
  std::optional<DType> found;
  for (const Tensor& t : graph.ops()) {
    if (t.dtype() == DType::int32) continue;
    if (found && *found != t.dtype()) fail(who, "computes in one type: the graph mixes float32 and float64");
    found = t.dtype();
  }
  return found.value_or(DType::float32);
}

bool fits(const Shape& got, const Shape& expected) {
  bool same = got.size() == expected.size();
  for (std::size_t i = 0; same && i < got.size(); ++i) same = got[i] == expected[i] || expected[i] == kBatch;
  return same;
}

Dim row_length(const ArrayView& view) {
  Dim length = 1;
  for (std::size_t i = 1; i < view.shape.size(); ++i) length *= view.shape[i];
  return length;
}

bool reads_in_place(const ArrayView& view, DType dtype) {
  return readable_in_place(row_source(view), dtype, view.rows(), row_length(view));
}

std::size_t bytes_of(const ArrayView& view, DType dtype) {
  return static_cast<std::size_t>(view.rows() * row_length(view)) * size_of(dtype);
}

// Dense, in the type of the input.
void convert_rows(std::byte* to, DType dtype, const ArrayView& view) {
  const Dim cols = row_length(view);
  for (Dim row = 0; row < view.rows(); ++row)
    convert(to + static_cast<std::size_t>(row * cols) * size_of(dtype), dtype,
            static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, cols);
}

// Where a shape has a batch, it has so many rows.
Shape sized(Shape shape, Dim rows) {
  std::ranges::replace(shape, kBatch, rows);
  return shape;
}

}  // namespace

struct Function::Impl {
  Graph graph;
  bool training;
  std::string name;
  Dim least_rows;
  DType dtype = DType::float32;
  std::vector<Tensor> leaves = {};
  std::vector<int> in_place = {};
  Spares spares = {};

  Impl(Graph of, bool trains, std::string who, Dim with_rows)
      : graph(std::move(of)), training(trains), name(std::move(who)), least_rows(with_rows) {
    dtype = real_dtype(name, graph);
    leaves = graph.parameters();
    for (const Tensor& t : graph.states()) leaves.push_back(t);
    in_place = in_place_of(graph);
  }

  std::string input_name(std::size_t i) const { return name + ": input \"" + graph.inputs()[i].name() + '"'; }

  PlanSpec spec(Dim rows) const;
  Dim check(std::span<const ArrayView> inputs) const;
  void check_places(std::span<const void* const> given, std::span<void* const> outputs, Dim rows) const;
  void add_inputs(RunMemory& memory, std::span<const ArrayView> inputs) const;
};

// Inputs, leaves and outputs lie where each run says, in this order of slots.
PlanSpec Function::Impl::spec(Dim rows) const {
  PlanSpec spec;
  int slot = kFirstExternal;
  for (const Tensor& x : graph.inputs()) {
    spec.inputs.push_back({x, false});
    ++slot;
  }
  for (const Tensor& leaf : leaves) spec.leaves.emplace(&leaf.op(), Place{slot++, 0});
  for (const Tensor& y : graph.outputs()) spec.outputs.push_back({y, {slot++, 0}});
  spec.batch = rows;
  spec.training = training;
  spec.dtype = dtype;
  return spec;
}

Dim Function::Impl::check(std::span<const ArrayView> inputs) const {
  if (inputs.size() != graph.inputs().size())
    fail(name, "needs ", graph.inputs().size(), " inputs, got ", inputs.size());
  Dim batch = -1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& shape = graph.inputs()[i].shape();
    if (inputs[i].empty() || !fits(inputs[i].shape, shape)) check_shape(input_name(i), inputs[i], shape);
    if (shape.empty() || shape[0] != kBatch) continue;
    const Dim rows = inputs[i].rows();
    if (batch >= 0 && rows != batch) fail(name, "inputs have ", batch, " and ", rows, " rows");
    batch = rows;
  }
  return std::max<Dim>(batch, least_rows);
}

// One address for each leaf and output, and memory at all that have elements.
void Function::Impl::check_places(std::span<const void* const> given, std::span<void* const> outputs, Dim rows) const {
  const auto hollow = [&](const Tensor& t) { return element_count(sized(t.shape(), rows)) == 0; };
  for (std::size_t i = 0; i < leaves.size(); ++i)
    if (i >= given.size() || (given[i] == nullptr && !hollow(leaves[i])))
      fail(name, "parameter \"", leaves[i].name(), "\" has no value: call its network");
  if (given.size() != leaves.size()) fail(name, "has ", leaves.size(), " leaves, got places of ", given.size());
  if (outputs.size() != graph.outputs().size())
    fail(name, "has ", graph.outputs().size(), " outputs, got places for ", outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i] == nullptr && !hollow(graph.outputs()[i])) fail(name, "has no place for output ", i);
}

// The addresses of the inputs: their own, or those of converted copies.
void Function::Impl::add_inputs(RunMemory& memory, std::span<const ArrayView> inputs) const {
  const std::vector<Tensor>& tensors = graph.inputs();
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (!reads_in_place(inputs[i], tensors[i].dtype())) bytes += round_up(bytes_of(inputs[i], tensors[i].dtype()));
  if (bytes > 0) memory.converted.reserve(bytes);
  std::byte* free = memory.converted.data();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const DType type = tensors[i].dtype();
    if (reads_in_place(inputs[i], type)) {
      memory.slots.push_back(const_cast<std::byte*>(static_cast<const std::byte*>(inputs[i].data)));
      continue;
    }
    check_castable(input_name(i), inputs[i], type);
    convert_rows(free, type, inputs[i]);
    memory.slots.push_back(free);
    free += round_up(bytes_of(inputs[i], type));
  }
}

Function::Function(Graph graph, bool training, std::string name, Dim rows)
    : impl_(std::make_shared<Impl>(std::move(graph), training, std::move(name), rows)) {}

const Graph& Function::graph() const { return impl_->graph; }
bool Function::training() const { return impl_->training; }
const std::vector<Tensor>& Function::leaves() const { return impl_->leaves; }
const std::vector<int>& Function::in_place() const { return impl_->in_place; }
Dim Function::check(std::span<const ArrayView> inputs) const { return impl_->check(inputs); }
PlanInfo Function::plan(Dim rows) const { return Plan(impl_->spec(rows)).info(); }

void Function::run(std::span<const ArrayView> inputs, std::span<const void* const> leaves,
                   std::span<void* const> outputs, const FunctionRun& run) const {
  Impl& f = *impl_;
  const Dim rows = f.check(inputs);
  f.check_places(leaves, outputs, rows);
  const Spare memory(f.spares);
  memory->slots.assign(kFirstExternal, nullptr);
  f.add_inputs(*memory, inputs);
  for (const void* leaf : leaves) memory->slots.push_back(const_cast<std::byte*>(static_cast<const std::byte*>(leaf)));
  for (void* output : outputs) memory->slots.push_back(static_cast<std::byte*>(output));
  Plan& plan = memory->workspace.plan(plan_key(rows, 0), [&] { return std::make_unique<Plan>(f.spec(rows)); });
  memory->slots[kArena] = memory->workspace.arena();
  PlanRun walk{memory->slots};
  walk.seed = run.seed;
  walk.step = run.step;
  if (run.threads < 0) fail("Function", "threads must not be negative, got ", run.threads);
  walk.threads = resolve_threads(run.threads);
  plan.run(walk);
}

std::vector<Array> Function::operator()(std::span<const ArrayView> inputs, std::span<const void* const> leaves,
                                        const FunctionRun& options) const {
  const Dim rows = check(inputs);
  std::vector<Array> results;
  std::vector<void*> places;
  for (const Tensor& y : graph().outputs()) {
    results.push_back(unset_array(y.dtype(), sized(y.shape(), rows)));
    places.push_back(results.back().data());
  }
  run(inputs, leaves, places, options);
  return results;
}

std::vector<Array> evaluate(const Graph& graph, const std::vector<ArrayView>& inputs, bool training, std::uint64_t seed,
                            std::uint64_t step) {
  return Function(graph, training, "evaluate")(inputs, {}, {seed, step});
}

}  // namespace backpass
