// Operations that move elements and compute nothing: reshape, transpose, slice, pad, concat.
#include <algorithm>
#include <numeric>

#include "base/sizes.h"
#include "graph/rules.h"

namespace backpass {
namespace {

bool has_batch(const Shape& shape) { return !shape.empty() && shape[0] == kBatch; }

Dim count_without_batch(const Shape& shape) {
  return element_count(has_batch(shape) ? Shape(shape.begin() + 1, shape.end()) : shape);
}

std::size_t movable_axis(const char* who, const Tensor& x, Dim axis) {
  const Dim at = normalize_axes(who, x, {axis})[0];
  if (x.shape()[static_cast<std::size_t>(at)] == kBatch) fail(who, "the batch dimension cannot be cut or joined");
  return static_cast<std::size_t>(at);
}

std::vector<Dim> strides(const Shape& shape) {
  std::vector<Dim> result(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) result[i - 1] = result[i] * shape[i];
  return result;
}

// What -1 stands for where it is not the batch: as many as are left.
void infer_dim(const Shape& from, Shape& to) {
  const bool batched = std::count(from.begin(), from.end(), kBatch) > 0;
  Shape known, of = from;
  if (batched) of.erase(std::find(of.begin(), of.end(), kBatch), std::find(of.begin(), of.end(), kBatch) + 1);
  Dim* open = nullptr;
  bool seen_batch = !batched;
  for (Dim& dim : to) {
    if (dim != kBatch)
      known.push_back(dim);
    else if (!std::exchange(seen_batch, true))
      continue;
    else if (std::exchange(open, &dim) != nullptr)
      fail("reshape", "only one dimension of ", to_string(to), " can follow from the others");
  }
  const Dim count = element_count(known);
  if (open != nullptr && count > 0) *open = element_count(of) % count == 0 ? element_count(of) / count : kBatch;
}

}  // namespace

Move straight_move(const Shape& from, const Shape& to) {
  return {{from.begin(), from.end()}, strides(to), strides(from)};
}

Tensor view(const Tensor& x) {
  return make_tensor({.kind = OpKind::reshape, .inputs = {x}, .shape = x.shape(), .dtype = x.dtype()});
}

Tensor reshape(const Tensor& x, Shape shape) {
  if (!x) fail("reshape", "got an empty tensor");
  if (x.shape() == shape) return x;
  // Of (batch, batch) nothing is joined, so nothing follows.
  const bool of_two = std::count(x.shape().begin(), x.shape().end(), kBatch) > 1;
  if (!of_two) infer_dim(x.shape(), shape);
  // (batch, 1) and (1, batch) hold the same elements: ones may stand before the batch.
  Shape from = x.shape(), to = shape;
  from.erase(std::remove(from.begin(), from.end(), 1), from.end());
  to.erase(std::remove(to.begin(), to.end(), 1), to.end());
  const auto fits = [&] {
    return !of_two && has_batch(from) == has_batch(to) && count_without_batch(from) == count_without_batch(to);
  };
  if (from != to && !fits()) fail("reshape", "shape ", to_string(x.shape()), " cannot become ", to_string(shape));
  return make_tensor({.kind = OpKind::reshape, .inputs = {x}, .shape = std::move(shape), .dtype = x.dtype()});
}

Tensor transpose(const Tensor& x, std::vector<Dim> axes) {
  const std::vector<Dim> sorted = normalize_axes("transpose", x, axes);
  if (sorted.size() != x.shape().size()) fail("transpose", "needs ", x.shape().size(), " axes, got ", axes.size());
  Shape shape;
  for (Dim& axis : axes) {
    if (axis < 0) axis += static_cast<Dim>(axes.size());
    shape.push_back(x.shape()[static_cast<std::size_t>(axis)]);
  }
  if (sorted == axes) return x;
  return make_tensor({.kind = OpKind::transpose,
                      .inputs = {x},
                      .shape = std::move(shape),
                      .dtype = x.dtype(),
                      .dims = std::move(axes)});
}

namespace {

std::vector<Dim> range_dims(std::size_t axis, Dim begin, Dim end, Dim step) {
  std::vector<Dim> dims = {static_cast<Dim>(axis), begin, end};
  if (step != 1) dims.push_back(step);
  return dims;
}

}  // namespace

Dim step_of(const Op& op) { return op.dims.size() > 3 ? op.dims[3] : 1; }

Tensor slice(const Tensor& x, Dim axis, Dim begin, Dim end, Dim step) {
  const std::size_t at = movable_axis("slice", x, axis);
  Shape shape = x.shape();
  if (step < 1) fail("slice", "step must be positive, got ", step, "; flip() reverses an axis");
  if (begin < 0 || end < begin || end > shape[at])
    fail("slice", "range [", begin, ", ", end, ") does not fit axis ", axis, " of ", to_string(x.shape()));
  shape[at] = step == 1 ? end - begin : (end - begin) / step + ((end - begin) % step != 0);
  return make_tensor({.kind = OpKind::slice,
                      .inputs = {x},
                      .shape = std::move(shape),
                      .dtype = x.dtype(),
                      .dims = range_dims(at, begin, end, step)});
}

Tensor pad(const Tensor& x, Dim axis, Dim begin, Dim end, Shape shape, Dim step) {
  const std::size_t at = movable_axis("pad", x, axis);
  Shape expected = x.shape();
  if (at < shape.size()) expected[at] = shape[at];
  if (expected != shape || begin < 0 || step < 1 || end < begin || end > shape[at] ||
      (end - begin) / step + ((end - begin) % step != 0) != x.shape()[at])
    fail("pad", "range [", begin, ", ", end, ") of ", to_string(shape), " does not take ", to_string(x.shape()));
  return make_tensor({.kind = OpKind::pad,
                      .inputs = {x},
                      .shape = std::move(shape),
                      .dtype = x.dtype(),
                      .dims = range_dims(at, begin, end, step)});
}

Tensor flip(const Tensor& x, std::optional<std::vector<Dim>> axes) {
  if (!x) fail("flip", "got an empty tensor");
  std::vector<Dim> over(x.shape().size());
  std::iota(over.begin(), over.end(), 0);
  if (axes) over = normalize_axes("flip", x, *axes);
  return make_tensor(
      {.kind = OpKind::flip, .inputs = {x}, .shape = x.shape(), .dtype = x.dtype(), .dims = std::move(over)});
}

Tensor concat(const std::vector<Tensor>& xs, Dim axis) {
  if (xs.empty()) fail("concat", "needs at least one tensor");
  const std::size_t at = movable_axis("concat", xs[0], axis);
  Shape shape = xs[0].shape();
  shape[at] = 0;
  for (const Tensor& x : xs) {
    Shape other = x.shape();
    if (at < other.size() && other[at] == kBatch) fail("concat", "the batch dimension cannot be cut or joined");
    if (other.size() != shape.size() || x.dtype() != xs[0].dtype())
      fail("concat", "takes tensors of one type and rank, got ", to_string(xs[0].shape()), " and ", to_string(other));
    shape[at] =
        static_cast<Dim>(sum_of_sizes(static_cast<std::size_t>(shape[at]), static_cast<std::size_t>(other[at])));
    if (other[at] = shape[at]; other != shape)
      fail("concat", "shapes ", to_string(xs[0].shape()), " and ", to_string(x.shape()), " differ beyond axis ", axis);
  }
  return make_tensor({.kind = OpKind::concat,
                      .inputs = xs,
                      .shape = std::move(shape),
                      .dtype = xs[0].dtype(),
                      .dims = {static_cast<Dim>(at)}});
}

Grads reshape_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {reshape(g, y.op().inputs[0].shape())};
}

Moves transpose_moves(const Op& op, const std::vector<Shape>& from, const Shape& to) {
  Move move = straight_move(to, to);
  const std::vector<Dim> a_strides = strides(from[0]);
  for (std::size_t i = 0; i < to.size(); ++i) move.a_strides[i] = a_strides[static_cast<std::size_t>(op.dims[i])];
  return {std::move(move)};
}

Moves slice_moves(const Op& op, const std::vector<Shape>& from, const Shape& to) {
  Move move = straight_move(from[0], to);
  move.dims.assign(to.begin(), to.end());
  Dim& stride = move.a_strides[static_cast<std::size_t>(op.dims[0])];
  move.a_offset = op.dims[1] * stride;
  stride *= step_of(op);
  return {std::move(move)};
}

Moves pad_moves(const Op& op, const std::vector<Shape>& from, const Shape& to) {
  Move move = straight_move(from[0], to);
  Dim& stride = move.out_strides[static_cast<std::size_t>(op.dims[0])];
  move.out_offset = op.dims[1] * stride;
  stride *= step_of(op);
  return {std::move(move)};
}

Moves flip_moves(const Op& op, const std::vector<Shape>& from, const Shape& to) {
  Move move = straight_move(from[0], to);
  for (const Dim axis : op.dims) {
    Dim& stride = move.a_strides[static_cast<std::size_t>(axis)];
    move.a_offset += std::max<Dim>(to[static_cast<std::size_t>(axis)] - 1, 0) * stride;
    stride = -stride;
  }
  return {std::move(move)};
}

Moves concat_moves(const Op& op, const std::vector<Shape>& from, const Shape& to) {
  const std::size_t axis = static_cast<std::size_t>(op.dims[0]);
  Moves moves;
  Dim begin = 0;
  for (const Shape& shape : from) {
    Move move = straight_move(shape, to);
    move.out_offset = begin * move.out_strides[axis];
    begin += shape[axis];
    moves.push_back(std::move(move));
  }
  return moves;
}

Grads transpose_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  std::vector<Dim> inverse(y.op().dims.size());
  for (std::size_t i = 0; i < inverse.size(); ++i)
    inverse[static_cast<std::size_t>(y.op().dims[i])] = static_cast<Dim>(i);
  return {transpose(g, inverse)};
}

Grads slice_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const std::vector<Dim>& range = y.op().dims;
  return {pad(g, range[0], range[1], range[2], y.op().inputs[0].shape(), step_of(y.op()))};
}

Grads pad_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const std::vector<Dim>& range = y.op().dims;
  return {slice(g, range[0], range[1], range[2], step_of(y.op()))};
}

Grads flip_derivative(const Tensor& y, const Tensor& g, const Wanted&) { return {flip(g, y.op().dims)}; }

Grads concat_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Dim axis = y.op().dims[0];
  Grads grads;
  Dim begin = 0;
  for (std::size_t i = 0; i < y.op().inputs.size(); ++i) {
    const Dim end = begin + y.op().inputs[i].shape()[static_cast<std::size_t>(axis)];
    grads.push_back(wanted[i] ? slice(g, axis, begin, end) : Tensor());
    begin = end;
  }
  return grads;
}

}  // namespace backpass
