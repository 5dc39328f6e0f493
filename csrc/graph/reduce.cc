// Sums and their mirror, broadcasting.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {

std::vector<Dim> normalize_axes(const char* who, const Tensor& x, std::vector<Dim> axes) {
  const Dim rank = static_cast<Dim>(x.shape().size());
  for (Dim& axis : axes) {
    if (axis < -rank || axis >= rank) fail(who, "axis ", axis, " is out of range for shape ", to_string(x.shape()));
    if (axis < 0) axis += rank;
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) fail(who, "an axis is named twice");
  return axes;
}

std::vector<Dim> axes_or_all(const char* who, const Tensor& x, const Axes& axes) {
  if (!x) fail(who, "got an empty tensor");
  if (x.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32");
  if (axes) return normalize_axes(who, x, *axes);
  std::vector<Dim> all(x.shape().size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

Shape kept_shape(Shape shape, const std::vector<Dim>& axes) {
  for (Dim axis : axes) shape[static_cast<std::size_t>(axis)] = 1;
  return shape;
}

namespace {

// One run of neighbouring axes [first, last]: what a reduction call can do.
Tensor sum_run(const Tensor& x, Dim first, Dim last) {
  Shape shape = x.shape();
  shape.erase(shape.begin() + first, shape.begin() + last + 1);
  std::vector<Dim> axes(static_cast<std::size_t>(last - first + 1));
  std::iota(axes.begin(), axes.end(), first);
  return make_tensor({.kind = OpKind::sum, .inputs = {x}, .shape = std::move(shape), .dtype = x.dtype(), .dims = axes});
}

}  // namespace

Tensor sum(const Tensor& x, Axes axes, bool keepdims) {
  const std::vector<Dim> over = axes_or_all("sum", x, axes);
  Tensor y = x;
  for (std::size_t end = over.size();
       end > 0;) {  // from the last run to the first, so that earlier axes keep their numbers
    std::size_t begin = end - 1;
    while (begin > 0 && over[begin - 1] == over[begin] - 1) --begin;
    y = sum_run(y, over[begin], over[end - 1]);
    end = begin;
  }
  return keepdims ? reshape(y, kept_shape(x.shape(), over)) : y;
}

Tensor count(const Tensor& x, const std::vector<Dim>& axes, double least, std::string who) {
  std::vector<Dim> dims;
  for (Dim axis : axes) dims.push_back(x.shape()[static_cast<std::size_t>(axis)]);
  return make_tensor(
      {.kind = OpKind::count, .dtype = x.dtype(), .alpha = least, .dims = std::move(dims), .name = std::move(who)});
}

// Its axes are not kept: what it counts is.
Tensor rebuilt_count(const Op& op) {
  if (op.dtype == DType::int32) fail("graph", "count must be float32 or float64");
  return make_tensor({.kind = OpKind::count, .dtype = op.dtype, .alpha = op.alpha, .dims = op.dims, .name = op.name});
}

Tensor mean(const Tensor& x, Axes axes, bool keepdims) {
  const std::vector<Dim> over = axes_or_all("mean", x, axes);
  const Tensor n = count(x, over);
  return sum(x, over, keepdims) / n;
}

Tensor broadcast_to(const Tensor& x, Shape shape) {
  if (x.shape() == shape) return x;
  const std::size_t rank = x.shape().size(), skip = shape.size() - rank;
  bool fits = shape.size() >= rank;
  for (std::size_t i = 0; fits && i < rank; ++i) fits = x.shape()[i] == shape[skip + i] || x.shape()[i] == 1;
  if (!fits) fail("broadcast_to", "shape ", to_string(x.shape()), " does not broadcast to ", to_string(shape));
  return make_tensor({.kind = OpKind::broadcast, .inputs = {x}, .shape = std::move(shape), .dtype = x.dtype()});
}

Grads sum_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor& x = y.op().inputs[0];
  return {broadcast_to(reshape(g, kept_shape(x.shape(), y.op().dims)), x.shape())};
}

// An axis of one element is read again and again.
Moves broadcast_moves(const Op&, const std::vector<Shape>& from, const Shape& to) {
  Move move = straight_move(to, to);
  const Move inner = straight_move(from[0], from[0]);
  move.a_strides.assign(to.size(), 0);
  const std::size_t skip = to.size() - from[0].size();
  for (std::size_t i = 0; i < from[0].size(); ++i)
    if (from[0][i] != 1) move.a_strides[skip + i] = inner.a_strides[i];
  return {std::move(move)};
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  const Shape& from = x.shape();
  const std::size_t skip = from.size() - shape.size();
  std::vector<Dim> repeated;
  for (std::size_t i = 0; i < from.size(); ++i)
    if (i < skip || shape[i - skip] != from[i]) repeated.push_back(static_cast<Dim>(i));
  return reshape(sum(x, repeated), shape);
}

Grads broadcast_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {sum_to(g, y.op().inputs[0].shape())};
}

}  // namespace backpass
