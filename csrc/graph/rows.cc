// Operations along the last axis: softmax, log-sum-exp, what norms are made of, and picking the element that a label
// names.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_rows(const char* who, const Tensor& x) {
  if (!x) fail(who, "got an empty tensor");
  if (x.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32");
  if (x.shape().empty()) fail(who, "needs an axis at least, got a number");
}

// Where the length of rows is part of the formula.
void check_known_rows(const char* who, const Tensor& x) {
  check_rows(who, x);
  if (x.shape().back() == kBatch) fail(who, "needs a last axis that is not the batch, got ", to_string(x.shape()));
}

void check_labels(const char* who, const Tensor& labels, const Shape& rows) {
  if (!labels || labels.dtype() != DType::int32 || labels.shape() != rows)
    fail(who, "labels must be int32 of shape ", to_string(rows), ", got ",
         labels ? name(labels.dtype()) + std::string(" ") + to_string(labels.shape()) : "none");
}

// A column (n) as (n, 1) over the columns of x.
Tensor along_rows(const Tensor& column, const Shape& shape) {
  Shape kept = shape;
  kept.back() = 1;
  return broadcast_to(reshape(column, kept), shape);
}

}  // namespace

namespace {

Tensor row_softmax(const Tensor& x) {
  check_rows("softmax", x);
  return make_tensor({.kind = OpKind::softmax, .inputs = {x}, .shape = x.shape(), .dtype = x.dtype()});
}

// A function of rows along any axis, which is moved to the end for it.
Tensor along(const char* who, const Tensor& x, Dim axis, Tensor (*function)(const Tensor& x)) {
  if (!x) fail(who, "got an empty tensor");
  const Dim at = normalize_axes(who, x, {axis})[0];
  return moveaxis(function(moveaxis(x, at, -1)), -1, at);
}

}  // namespace

Tensor softmax(const Tensor& x, Dim axis) { return along("softmax", x, axis, row_softmax); }

Tensor log_softmax(const Tensor& x, Dim axis) {
  return along("log_softmax", x, axis, [](const Tensor& rows) {
    const Tensor below = below_max(rows);
    return below - along_rows(log_sum_exp(below), rows.shape());
  });
}

Tensor log_sum_exp(const Tensor& x, Dim axis) {
  if (!x) fail("log_sum_exp", "got an empty tensor");
  const Tensor rows = moveaxis(x, axis, -1);
  check_rows("log_sum_exp", rows);
  return make_tensor(
      {.kind = OpKind::log_sum_exp, .inputs = {rows}, .shape = without_last(rows.shape()), .dtype = x.dtype()});
}

Tensor logsumexp(const Tensor& x, Axes axes, bool keepdims) {
  const std::vector<Dim> over = axes_or_all("logsumexp", x, axes);
  if (over.empty()) return x;
  std::vector<Dim> order;
  Shape shape;
  for (Dim i = 0; i < static_cast<Dim>(x.shape().size()); ++i)
    if (!std::ranges::binary_search(over, i)) {
      order.push_back(i);
      shape.push_back(x.shape()[static_cast<std::size_t>(i)]);
    }
  Dim count = 1;
  for (const Dim axis : over) {
    order.push_back(axis);
    const Dim n = x.shape()[static_cast<std::size_t>(axis)];
    if (n == kBatch && over.size() > 1)
      fail("logsumexp", "goes over the batch of ", to_string(x.shape()), " alone, not together with other axes");
    count *= n;
  }
  shape.push_back(count);
  return kept_or_not(log_sum_exp(reshape(transpose(x, order), shape)), x, over, keepdims);
}

Tensor below_max(const Tensor& x) {
  check_rows("below_max", x);
  return make_tensor({.kind = OpKind::below_max, .inputs = {x}, .shape = x.shape(), .dtype = x.dtype()});
}

Tensor center(const Tensor& x) {
  check_known_rows("center", x);
  return make_tensor({.kind = OpKind::center, .inputs = {x}, .shape = x.shape(), .dtype = x.dtype()});
}

// An eps that is 0 in the type of x would divide rows of zeros by 0.
Tensor inverse_rms(const Tensor& x, double eps) {
  check_known_rows("inverse_rms", x);
  return make_tensor({.kind = OpKind::inverse_rms,
                      .inputs = {x},
                      .shape = without_last(x.shape()),
                      .dtype = x.dtype(),
                      .alpha = std::max(eps, least_normal(x.dtype()))});
}

Tensor rebuilt_inverse_rms(const Op& op) {
  if (!(op.alpha > 0) || !std::isfinite(op.alpha)) fail("graph", "eps must be positive and finite, got ", op.alpha);
  return inverse_rms(op.inputs[0], op.alpha);
}

Tensor take_label(const Tensor& x, const Tensor& labels, std::optional<Dim> ignore) {
  check_rows("take_label", x);
  check_labels("take_label", labels, without_last(x.shape()));
  return make_tensor({.kind = OpKind::take_label,
                      .inputs = {x, labels},
                      .shape = without_last(x.shape()),
                      .dtype = x.dtype(),
                      .ignore = ignore});
}

Tensor put_label(const Tensor& value, const Tensor& labels, Shape shape, std::optional<Dim> ignore) {
  if (!value || shape.empty() || value.shape() != without_last(shape))
    fail("put_label", "values do not fit the rows of ", to_string(shape));
  check_labels("put_label", labels, value.shape());
  return make_tensor({.kind = OpKind::put_label,
                      .inputs = {value, labels},
                      .shape = std::move(shape),
                      .dtype = value.dtype(),
                      .ignore = ignore});
}

// y = softmax(x): dx = y (g - sum(g y)).
Grads softmax_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {y * (g - sum(g * y, std::vector<Dim>{-1}, true))};
}

Grads log_sum_exp_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor& x = y.op().inputs[0];
  const Tensor along = along_rows(g, x.shape());
  return {softmax(x) * along};
}

Grads below_max_derivative(const Tensor&, const Tensor& g, const Wanted&) { return {g}; }

// Taking away means is a projection: it is its own derivative.
Grads center_derivative(const Tensor&, const Tensor& g, const Wanted&) { return {center(g)}; }

// dy = -y^3 x / n, multiplied in an order in which nothing overflows or vanishes: x y is about 1.
Grads inverse_rms_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor& x = y.op().inputs[0];
  const double each = -1 / static_cast<double>(x.shape().back());
  return {x * along_rows(y, x.shape()) * along_rows(g * y * y * each, x.shape())};
}

Grads take_label_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {put_label(g, y.op().inputs[1], y.op().inputs[0].shape(), y.op().ignore), {}};
}

Grads put_label_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {take_label(g, y.op().inputs[1], y.op().ignore), {}};
}

}  // namespace backpass
