// The greatest, the least, products, and where the greatest is: over any axes.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {

Tensor kept_or_not(const Tensor& y, const Tensor& x, const std::vector<Dim>& over, bool keepdims) {
  return keepdims ? reshape(y, kept_shape(x.shape(), over)) : y;
}

std::pair<Tensor, std::vector<Dim>> gathered_axes(const Tensor& x, const std::vector<Dim>& over) {
  const std::size_t rank = x.shape().size();
  std::vector<Dim> run = over;
  if (over.empty() || over.back() - over.front() + 1 == static_cast<Dim>(over.size())) return {x, run};
  std::vector<Dim> order;
  for (Dim i = 0; i < static_cast<Dim>(rank); ++i)
    if (!std::ranges::binary_search(over, i)) order.push_back(i);
  std::iota(run.begin(), run.end(), static_cast<Dim>(order.size()));
  order.insert(order.end(), over.begin(), over.end());
  return {transpose(x, order), run};
}

namespace {

Tensor fold_run(OpKind kind, const Tensor& x, std::vector<Dim> run) {
  Shape shape = x.shape();
  shape.erase(shape.begin() + run.front(), shape.begin() + run.back() + 1);
  const DType dtype = kind == OpKind::argmax ? DType::int32 : x.dtype();
  return make_tensor({.kind = kind, .inputs = {x}, .shape = std::move(shape), .dtype = dtype, .dims = std::move(run)});
}

// Neighbours, ascending, of which there is one at least; what is chosen from is not known to be nothing.
void check_run(const char* who, const Shape& shape, const std::vector<Dim>& run, bool chooses) {
  for (const Dim axis : run)
    if (chooses && shape[static_cast<std::size_t>(axis)] == 0)
      fail(who, "of no elements is not defined: shape ", to_string(shape), " along axis ", axis);
}

Tensor fold(OpKind kind, const Tensor& x, const Axes& axes, bool keepdims) {
  const char* who = name(kind);
  const std::vector<Dim> over = axes_or_all(who, x, axes);
  if (over.empty()) return x;
  check_run(who, x.shape(), over, kind != OpKind::prod);
  const auto [y, run] = gathered_axes(x, over);
  return kept_or_not(fold_run(kind, y, run), x, over, keepdims);
}

Tensor arg_of_greatest(const char* who, const Tensor& x, std::optional<Dim> axis, bool keepdims) {
  const std::vector<Dim> over = axes_or_all(who, x, axis ? Axes(std::vector<Dim>{*axis}) : Axes());
  if (over.empty()) return constant(0, {}, DType::int32);
  check_run(who, x.shape(), over, true);
  return kept_or_not(fold_run(OpKind::argmax, x, over), x, over, keepdims);
}

}  // namespace

Tensor max(const Tensor& x, Axes axes, bool keepdims) { return fold(OpKind::max, x, axes, keepdims); }
Tensor prod(const Tensor& x, Axes axes, bool keepdims) { return fold(OpKind::prod, x, axes, keepdims); }
Tensor min(const Tensor& x, Axes axes, bool keepdims) {
  const std::vector<Dim> over = axes_or_all("min", x, axes);
  check_run("min", x.shape(), over, true);
  return -max(-x, over, keepdims);
}

Tensor argmax(const Tensor& x, std::optional<Dim> axis, bool keepdims) {
  return arg_of_greatest("argmax", x, axis, keepdims);
}

Tensor argmin(const Tensor& x, std::optional<Dim> axis, bool keepdims) {
  const std::vector<Dim> over = axes_or_all("argmin", x, axis ? Axes(std::vector<Dim>{*axis}) : Axes());
  check_run("argmin", x.shape(), over, true);
  return arg_of_greatest("argmin", -x, axis, keepdims);
}

Tensor rebuilt_fold(const Op& op) {
  const Tensor& x = op.inputs[0];
  const std::vector<Dim> run = axes_or_all(name(op.kind), x, op.dims);
  if (run.empty() || run.back() - run.front() + 1 != static_cast<Dim>(run.size()))
    fail("graph", name(op.kind), " takes neighbouring axes");
  check_run(name(op.kind), x.shape(), run, op.kind != OpKind::prod);
  return fold_run(op.kind, x, run);
}

namespace {

// What stands for all elements along the axes of op y, in the shape of its input.
Tensor along_run(const Tensor& t, const Tensor& y) {
  const Tensor& x = y.op().inputs[0];
  return broadcast_to(reshape(t, kept_shape(x.shape(), y.op().dims)), x.shape());
}

}  // namespace

// Those that are the greatest share the gradient equally.
Grads max_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor& x = y.op().inputs[0];
  const Tensor most = stop_gradient(1.0 - greater(along_run(y, y), x));
  const Tensor share = g / sum(most, y.op().dims);
  return {most * along_run(share, y)};
}

// Each gets the product of all others, those before it times those behind it: so zeros do no harm.
Grads prod_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor& x = y.op().inputs[0];
  const Dim first = y.op().dims.front(), last = y.op().dims.back();
  Shape shape(x.shape().begin(), x.shape().begin() + first);
  Dim count = 1;
  for (const Dim axis : y.op().dims) {
    const Dim n = x.shape()[static_cast<std::size_t>(axis)];
    if (n == kBatch) fail("prod", "has no derivative over a batch of unknown size");
    count *= n;
  }
  shape.push_back(count);
  for (const Dim* dim = x.shape().begin() + last + 1; dim != x.shape().end(); ++dim) shape.push_back(*dim);
  const Tensor line = reshape(x, shape);
  Shape ends = shape;
  ends[static_cast<std::size_t>(first)] = std::min<Dim>(count, 1);
  const Tensor one = constant(1, ends, x.dtype());
  const Tensor before =
      recurrence(pad(one, first, 0, ends[static_cast<std::size_t>(first)], shape), roll(line, 1, first), first, false);
  const Tensor behind = recurrence(pad(one, first, count - ends[static_cast<std::size_t>(first)], count, shape),
                                   roll(line, -1, first), first, true);
  return {along_run(g, y) * reshape(before * behind, x.shape())};
}

}  // namespace backpass
