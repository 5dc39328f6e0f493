// Resolving tensors: constant folding and views.
#include "plan/compile/source.h"

#include <algorithm>

#include "base/error.h"
#include "graph/op_row.h"
#include "plan/compile/steps.h"

namespace backpass {
namespace {

Source itself(const Tensor& t) { return {t, Layout::full, {}, {}}; }
Source constant_source(double value) { return {Tensor(), Layout::scalar, value, {}}; }

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
  if (op.kind == OpKind::random_keep && (!(training_ || op.always) || op.alpha == 0)) return constant_source(1);
  if (op.kind == OpKind::random_normal && !op.always && !training_) return constant_source(0);
  if (op.kind == OpKind::by_mode) return of(op.inputs[training_ ? 0 : 1]);
  if (op.kind == OpKind::stop_gradient || op.kind == OpKind::track || op.kind == OpKind::add_loss ||
      op.kind == OpKind::custom)
    return of(op.inputs[0]);
  if (op.kind == OpKind::reshape || sums_single_values(op)) return resolve_reshape(t);
  if (op.kind == OpKind::broadcast) return resolve_broadcast(t);
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
  if ((training_ || op.always) && count < op.alpha)
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
  if (space(t) == space(from) && (inner.layout != Layout::strided || shape(t).size() > 1)) return inner;
  // The broadcast is written out, then seen in another shape; views between the two are never written.
  const Tensor* written = &from;
  while (role(written->op()) == Role::view)
    written = &written->op().inputs[written->op().kind == OpKind::by_mode && !training_ ? 1 : 0];
  return itself(*written);
}

// What is repeated lies where it did: at steps of 0 along new axes and those that had one element.
Source Sources::resolve_broadcast(const Tensor& t) {
  const Tensor& from = t.op().inputs[0];
  const Source inner = of(from);
  if (inner.constant || inner.layout == Layout::scalar) return inner;
  const Shape own = shape(from), all = shape(t);
  const std::optional<Shape> inner_steps = steps(from);
  if (!inner_steps) return itself(t);
  const std::size_t skip = all.size() - own.size();
  Shape result = all;
  for (std::size_t i = 0; i < all.size(); ++i)
    result[i] = i < skip || own[i - skip] == 1 ? 0 : (*inner_steps)[i - skip];
  return covering(inner.root, all, result);
}

// How many elements apart those of t lie in its root, along each of its axes; nothing where one has no such step.
std::optional<Shape> Sources::steps(const Tensor& t) {
  const Source source = of(t);
  const Shape dims = shape(t);
  if (source.layout == Layout::full || element_count(dims) == 0) return dense_steps(dims);
  return axis_steps(source, space(t), dims);
}

// A transposition is seen through, too.
Strided Sources::operand(const Tensor& product, std::size_t i) {
  const Tensor& t = product.op().inputs[i];
  const Strided dense{t, dense_steps(shape(t))};
  const Source source = of(t);
  if (product.op().kind != OpKind::batch_matmul || !source.root || source.layout == Layout::scalar) return dense;
  const Op& op = source.root.op();
  const bool swaps = source.layout == Layout::full && op.kind == OpKind::transpose && op.shape == t.shape();
  if (source.layout == Layout::full && !swaps) return dense;
  const Tensor& from = swaps ? op.inputs[0] : t;
  const std::optional<Shape> own = steps(from);
  if (!own || of(from).constant || of(from).layout == Layout::scalar) return dense;
  Strided result{of(from).root, *own};
  if (swaps)
    std::ranges::transform(op.dims, result.steps.begin(),
                           [&](Dim axis) { return (*own)[static_cast<std::size_t>(axis)]; });
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
