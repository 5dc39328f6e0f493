// Evaluating a graph once.
#include <cstring>

#include "base/convert.h"
#include "base/error.h"
#include "kernels/dispatch.h"
#include "plan/boundary.h"
#include "plan/workers/sharing.h"
#include "plan/workspace.h"

namespace backpass {

PlanKey plan_key(Dim batch, int variant, int freezes, std::uint64_t owner) {
  return {batch, variant, freezes, owner, kernels::current_isa(), sharing_cut_is_on()};
}

RowSource row_source(const ArrayView& view) {
  return {static_cast<const std::byte*>(view.data), view.type, view.row_stride};
}

namespace {

// What probably happened to an array of another shape, as NumPy would mend it.
std::string cure(const Shape& got, const Shape& expected) {
  const bool by_rows = !expected.empty() && expected[0] == kBatch;
  if (!by_rows || got.empty()) return "";
  const Shape row(expected.begin() + 1, expected.end());
  if (got == row) return "; one row alone is x[None]";
  if (got.size() == 1 && row == Shape{1}) return "; one number for each row is x.reshape(-1, 1)";
  if (got.size() > 2 && row.size() == 1 && element_count(Shape(got.begin() + 1, got.end())) == row[0])
    return "; Flatten() as first layer, or x.reshape(len(x), -1), makes one row of each";
  return "";
}

}  // namespace

void check_present(const std::string& who, const ArrayView& view) {
  if (view.empty() && element_count(view.shape) > 0) fail(who, "has no data for its shape ", to_string(view.shape));
}

Dim check_shape(const std::string& who, const ArrayView& view, const Shape& expected, const std::string& whom) {
  bool fits = view.shape.size() == expected.size();
  for (std::size_t i = 0; fits && i < expected.size(); ++i)
    fits = expected[i] == kBatch || view.shape[i] == expected[i];
  if (!fits)
    fail(who, "expected shape ", to_string(expected), ", got ", to_string(view.shape), whom.empty() ? "" : ", for ",
         whom, cure(view.shape, expected));
  check_present(who, view);
  return view.shape.empty() ? 1 : view.shape[0];
}

void check_castable(const std::string& who, const ArrayView& view, DType dtype) {
  if (view.empty()) return;
  if (dtype == DType::int32 && !is_integer(view.type) && view.type != ElementType::boolean)
    fail(who, "must hold integers");
  const Dim rows = view.shape.empty() ? 1 : view.shape[0], cols = rows > 0 ? element_count(view.shape) / rows : 0;
  for (Dim row = 0; row < rows; ++row)
    if (overflows(static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, dtype, cols))
      fail(who, "has a value in row ", row, " that is too large for ", name(dtype));
}

namespace {

DType real_dtype(const Graph& graph) {
  for (const Tensor& t : graph.ops())
    if (t.dtype() != DType::int32) return t.dtype();
  return DType::float32;
}

// A dense copy in the tensor's type.
Array converted(const ArrayView& view, DType dtype) {
  Array copy(dtype, view.shape);
  const Dim rows = view.shape.empty() ? 1 : view.shape[0], cols = rows > 0 ? element_count(view.shape) / rows : 0;
  for (Dim row = 0; row < rows; ++row)
    convert(static_cast<std::byte*>(copy.data()) + static_cast<std::size_t>(row * cols) * size_of(dtype), dtype,
            static_cast<const std::byte*>(view.data) + row * view.row_stride, view.type, cols);
  return copy;
}

Dim batch_of(const Graph& graph, const std::vector<ArrayView>& inputs) {
  Dim batch = -1;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Shape& shape = graph.inputs()[i].shape();
    const Dim rows = check_shape("evaluate: input \"" + graph.inputs()[i].name() + "\"", inputs[i], shape);
    if (shape.empty() || shape[0] != kBatch) continue;
    if (batch >= 0 && rows != batch) fail("evaluate", "inputs have ", batch, " and ", rows, " rows");
    batch = rows;
  }
  return std::max<Dim>(batch, 0);
}

}  // namespace

std::vector<Array> evaluate_over(const Graph& graph, const std::vector<ArrayView>& inputs,
                                 const GraphEvaluation& over) {
  if (inputs.size() != graph.inputs().size())
    fail("evaluate", "needs ", graph.inputs().size(), " inputs, got ", inputs.size());
  std::vector<Tensor> kept = graph.parameters();
  for (const Tensor& t : graph.states()) kept.push_back(t);
  for (const Tensor& t : kept)
    if (!over.places.count(&t.op()))
      fail("evaluate", "parameter \"", t.name(), "\" has no value: evaluate its network");
  PlanSpec spec;
  spec.batch = batch_of(graph, inputs);
  spec.training = over.training;
  spec.dtype = real_dtype(graph);
  for (const Tensor& t : kept) spec.leaves.emplace(&t.op(), over.places.at(&t.op()));
  std::vector<Array> held;
  std::vector<std::byte*> slots(kFirstExternal, nullptr);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    spec.inputs.push_back({graph.inputs()[i], false});
    check_castable("evaluate: input \"" + graph.inputs()[i].name() + '"', inputs[i], graph.inputs()[i].dtype());
    held.push_back(converted(inputs[i], graph.inputs()[i].dtype()));
    slots.push_back(static_cast<std::byte*>(held.back().data()));
  }
  std::vector<Array> results;
  for (const Tensor& output : graph.outputs()) {
    Shape shape = output.shape();
    for (Dim& dim : shape)
      if (dim == kBatch) dim = spec.batch;
    results.emplace_back(output.dtype(), shape);
    spec.outputs.push_back({output, {static_cast<int>(slots.size()), 0}});
    slots.push_back(static_cast<std::byte*>(results.back().data()));
  }
  Plan plan(spec);
  const AlignedBuffer arena(plan.arena_bytes());
  slots[kArena] = arena.data();
  slots[kParameters] = over.parameters;
  PlanRun run{slots};
  run.seed = over.seed;
  run.step = over.step;
  run.threads = resolve_threads(0);
  plan.run(run);
  return results;
}

std::vector<Array> evaluate(const Graph& graph, const std::vector<ArrayView>& inputs, bool training, std::uint64_t seed,
                            std::uint64_t step) {
  return evaluate_over(graph, inputs, {{}, nullptr, seed, step, training});
}

}  // namespace backpass
