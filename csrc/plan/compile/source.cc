// Resolving tensors: constant folding and views.
#include "plan/compile/source.h"

#include <algorithm>

#include "base/error.h"
#include "graph/op_row.h"

namespace backpass {
namespace {

Source itself(const Tensor& t) { return {t, Layout::full, {}, 0}; }
Source constant_source(double value) { return {Tensor(), Layout::scalar, value, 0}; }

// The functions that gradients apply to constants; nothing where it is not worth folding.
std::optional<double> fold(const Op& op, double a, double b) {
  const auto is = [&](Elementwise fn) { return op.fn == fn; };
  if (is(Elementwise::negate)) return -a;
  if (is(Elementwise::square)) return a * a;
  if (is(Elementwise::reciprocal)) return 1 / a;
  if (is(Elementwise::scale)) return op.alpha * a;
  if (is(Elementwise::shift)) return a + op.alpha;
  if (is(Elementwise::logical_not)) return a == 0;
  if (is(Elementwise::add)) return a + b;
  if (is(Elementwise::subtract)) return a - b;
  if (is(Elementwise::multiply)) return a * b;
  if (is(Elementwise::divide)) return a / b;
  return {};
}

// How many rows of `outer` each row of `inner` is for, aligned at the last axis: as of (members, 1, cols) within
// (members, rows, cols); 0 where they are not that.
Dim repeated_rows(const Shape& inner, const Shape& outer) {
  const Dim last = outer.empty() ? 1 : outer.back();
  if (last == 1 || inner.size() != outer.size() || inner.back() != last) return 0;
  bool repeats = false;
  Dim block = 1;
  for (std::size_t i = 0; i + 1 < outer.size(); ++i) {
    repeats = repeats || inner[i] != outer[i];
    if (repeats && inner[i] != 1) return 0;
    if (repeats) block *= outer[i];
  }
  return repeats ? block : 0;
}

// How `inner`, aligned at the last axis, covers `outer`.
std::optional<Layout> broadcast_layout(const Shape& inner, const Shape& outer) {
  const std::size_t skip = outer.size() - inner.size();
  bool ones = true, leading_ones = true, leading_equal = true;
  for (std::size_t i = 0; i < outer.size(); ++i) {
    const Dim dim = i < skip ? 1 : inner[i - skip];
    ones = ones && dim == 1;
    if (i + 1 == outer.size()) break;
    leading_ones = leading_ones && dim == 1;
    leading_equal = leading_equal && dim == outer[i];
  }
  const Dim last = inner.empty() ? 1 : inner.back(), outer_last = outer.empty() ? 1 : outer.back();
  if (leading_equal && last == outer_last) return Layout::full;
  if (ones) return Layout::scalar;
  if (leading_ones && last == outer_last && outer.size() > 1) return Layout::row;
  if (leading_equal && last == 1 && outer.size() > 1) return Layout::column;
  if (repeated_rows(inner, outer) > 0) return Layout::rows;
  return {};
}

Shape dense_steps(const Shape& shape) {
  Shape steps = shape;
  Dim step = 1;
  for (std::size_t i = shape.size(); i-- > 0; step *= shape[i]) steps[i] = step;
  return steps;
}

// Whether a kernel reads matrices (..., rows, cols) at such steps as quickly as dense ones: along one side they lie
// side by side, and no element is read twice.
bool reads_well(const Shape& shape, const Shape& steps) {
  const std::size_t row = shape.size() - 2, col = row + 1;
  const bool apart = (steps[row] != 0 || shape[row] == 1) && (steps[col] != 0 || shape[col] == 1);
  return apart && (steps[row] == 1 || steps[col] == 1);
}

}  // namespace

Shape Sources::shape(const Tensor& t) const {
  Shape shape = t.shape();
  for (Dim& dim : shape)
    if (dim == kBatch) dim = batch_;
  return shape;
}

Space Sources::space(const Tensor& t) const {
  const Shape dims = shape(t);
  if (dims.empty()) return {};
  if (dims.size() == 1) return {dims[0], 1};
  return {element_count(Shape(dims.begin(), dims.end() - 1)), dims.back()};
}

Source Sources::of(const Tensor& t) {
  const auto found = known_.find(&t.op());
  if (found != known_.end()) return found->second;
  // Inputs first, in order of making: a chain of thousands of ops must not recurse.
  const Source source = resolve(t);
  known_.emplace(&t.op(), source);
  return source;
}

void Sources::number_streams(const std::vector<Tensor>& order) {
  std::uint32_t next = kNextStream;
  for (const Tensor& t : order)
    if (role(t.op()) == Role::generator && t.op().stream == kNextStream) streams_.emplace(&t.op(), next--);
}

std::uint32_t Sources::stream(const Op& op) const {
  const auto own = streams_.find(&op);
  return own == streams_.end() ? op.stream : own->second;
}

Source Sources::resolve(const Tensor& t) {
  const Op& op = t.op();
  if (op.kind == OpKind::constant) return constant_source(op.alpha);
  // Programs compute with real numbers: integers are written out by calls that move elements.
  if (t.dtype() == DType::int32 && (op.kind == OpKind::values || op.kind == OpKind::broadcast)) return itself(t);
  if (op.kind == OpKind::values && op.values.size() == 1) return constant_source(op.values[0]);
  if (op.kind == OpKind::count) return constant_source(counted(op));
  if (op.kind == OpKind::random_keep && (!training_ || op.alpha == 0)) return constant_source(1);
  if (op.kind == OpKind::random_normal && !op.always && !training_) return constant_source(0);
  if (op.kind == OpKind::by_mode) return of(op.inputs[training_ ? 0 : 1]);
  if (op.kind == OpKind::stop_gradient || op.kind == OpKind::track || op.kind == OpKind::add_loss ||
      op.kind == OpKind::custom)
    return of(op.inputs[0]);
  if (op.kind == OpKind::reshape || sums_single_values(op)) return resolve_reshape(t);
  if (op.kind == OpKind::broadcast) return resolve_broadcast(t, op.inputs[0]);
  if (op.kind == OpKind::elementwise) return resolve_elementwise(t);
  return itself(t);
}

// Over axes of one element each, as the batch is in online learning; a sum of everything stays one.
bool Sources::sums_single_values(const Op& op) const {
  if (op.kind != OpKind::sum || op.dims.size() == op.inputs[0].shape().size()) return false;
  const Shape from = shape(op.inputs[0]);
  return std::ranges::all_of(op.dims, [&](Dim axis) { return from[static_cast<std::size_t>(axis)] == 1; });
}

double Sources::counted(const Op& op) const {
  double count = 1;
  for (Dim dim : op.dims) count *= static_cast<double>(dim == kBatch ? batch_ : dim);
  if (training_ && count < op.alpha)
    fail(op.name, "needs at least ", op.alpha, " values per channel in training, got ", count,
         ", which is a batch of few rows; drop_last leaves out a last one, and another batch_size makes it larger");
  return count;
}

Source Sources::resolve_elementwise(const Tensor& t) {
  const Op& op = t.op();
  const Source a = of(op.inputs[0]), b = op.inputs.size() > 1 ? of(op.inputs[1]) : Source{};
  const bool binary = op.inputs.size() > 1;
  if (a.constant && (!binary || b.constant)) {
    const std::optional<double> value = fold(op, *a.constant, b.constant.value_or(0));
    if (value) return constant_source(*value);
  }
  // What changes nothing is not done.
  if (op.fn == Elementwise::scale && op.alpha == 1) return a;
  if (op.fn == Elementwise::shift && op.alpha == 0) return a;
  if ((op.fn == Elementwise::multiply || op.fn == Elementwise::divide) && b.constant == 1.0) return a;
  if (op.fn == Elementwise::multiply && a.constant == 1.0) return b;
  if ((op.fn == Elementwise::add || op.fn == Elementwise::subtract) && b.constant == 0.0) return a;
  if (op.fn == Elementwise::add && a.constant == 0.0) return b;
  return itself(t);
}

Source Sources::resolve_reshape(const Tensor& t) {
  const Tensor& from = t.op().inputs[0];
  const Source inner = of(from);
  if (inner.constant || inner.layout == Layout::full || inner.layout == Layout::scalar) return inner;
  if (space(t) == space(from)) return inner;
  return {from, Layout::full, {}, 0};  // the broadcast is written out, then seen in another shape
}

// `from`: what is repeated to t, perhaps in several steps.
Source Sources::resolve_broadcast(const Tensor& t, const Tensor& from) {
  const Source inner = of(from);
  if (inner.constant || inner.layout == Layout::scalar) return inner;
  const Shape own = shape(from), all = shape(t);
  const std::optional<Layout> layout = broadcast_layout(own, all);
  if (!layout && from.op().kind == OpKind::broadcast) return resolve_broadcast(t, from.op().inputs[0]);
  if (!layout) return itself(t);
  if (*layout == Layout::full) return inner;
  const Dim block = *layout == Layout::rows ? repeated_rows(own, all) : 0;
  return {inner.layout == Layout::full ? inner.root : beneath(from), *layout, {}, block};
}

// The op that makes the elements of a view.
Tensor Sources::beneath(Tensor t) const {
  while (role(t.op()) == Role::view && !t.op().inputs.empty())
    t = t.op().inputs[t.op().kind == OpKind::by_mode && !training_ ? 1 : 0];
  return t;
}

Strided Sources::operand(const Tensor& product, std::size_t i) {
  const Tensor& t = product.op().inputs[i];
  const Strided dense{t, dense_steps(shape(t))};
  const Source source = of(t);
  if (product.op().kind != OpKind::batch_matmul || !source.root || source.layout != Layout::full) return dense;
  const Op& op = source.root.op();
  if (op.shape != t.shape() || (op.kind != OpKind::transpose && op.kind != OpKind::broadcast)) return dense;
  const Tensor& from = op.inputs[0];
  const Shape inner = shape(from), own = dense_steps(inner);
  Strided result{from, dense.steps};
  const std::size_t skip = op.shape.size() - inner.size();
  for (std::size_t axis = 0; axis < op.shape.size(); ++axis) {
    if (op.kind == OpKind::transpose)
      result.steps[axis] = own[static_cast<std::size_t>(op.dims[axis])];
    else
      result.steps[axis] = axis < skip || inner[axis - skip] == 1 ? 0 : own[axis - skip];
  }
  return reads_well(shape(t), result.steps) ? result : dense;
}

std::optional<std::pair<double, Tensor>> Sources::scaling(const Tensor& t) {
  const Op& op = t.op();
  if (op.kind != OpKind::elementwise) return {};
  if (op.fn == Elementwise::scale) return {{op.alpha, op.inputs[0]}};
  if (op.fn == Elementwise::negate) return {{-1.0, op.inputs[0]}};
  if (op.fn != Elementwise::multiply && op.fn != Elementwise::divide) return {};
  const Source a = of(op.inputs[0]), b = of(op.inputs[1]);
  if (b.constant) return {{op.fn == Elementwise::multiply ? *b.constant : 1 / *b.constant, op.inputs[0]}};
  if (a.constant && op.fn == Elementwise::multiply) return {{*a.constant, op.inputs[1]}};
  return {};
}

}  // namespace backpass
