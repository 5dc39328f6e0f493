// y_t = x_t + a_t y_{t-1} along an axis: sums and products of all elements up to each, and their derivatives.
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {

Tensor recurrence(const Tensor& x, const Tensor& a, Dim axis, bool reverse) {
  if (!x || x.dtype() == DType::int32) fail("recurrence", "takes float32 or float64");
  if (a && (a.shape() != x.shape() || a.dtype() != x.dtype())) fail("recurrence", "takes factors of the shape of x");
  std::vector<Tensor> inputs = {x};
  if (a) inputs.push_back(a);
  return make_tensor({.kind = OpKind::recurrence,
                      .inputs = std::move(inputs),
                      .shape = x.shape(),
                      .dtype = x.dtype(),
                      .dims = normalize_axes("recurrence", x, {axis}),
                      .reverse = reverse});
}

Tensor rebuilt_recurrence(const Op& op) {
  return recurrence(op.inputs[0], op.inputs.size() > 1 ? op.inputs[1] : Tensor(), op.dims[0], op.reverse);
}

Tensor cumsum(const Tensor& x, Dim axis) {
  if (!x || x.dtype() == DType::int32) fail("cumsum", "takes float32 or float64");
  return recurrence(x, Tensor(), normalize_axes("cumsum", x, {axis})[0], false);
}

// It begins with the first element, and adds nothing on the way.
Tensor cumprod(const Tensor& x, Dim axis) {
  if (!x || x.dtype() == DType::int32) fail("cumprod", "takes float32 or float64");
  const Dim at = normalize_axes("cumprod", x, {axis})[0], n = x.shape()[static_cast<std::size_t>(at)];
  if (n == kBatch) fail("cumprod", "does not go along the batch of ", to_string(x.shape()));
  if (n == 0) return x;
  return recurrence(pad(slice(x, at, 0, 1), at, 0, 1, x.shape()), x, at, false);
}

// With s the gradient of x, s_t = g_t + a_{t+1} s_{t+1}, that of a is s_t y_{t-1}; the first y has none before it.
Grads recurrence_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Dim axis = op.dims[0];
  if (op.inputs.size() == 1) return {recurrence(g, Tensor(), axis, !op.reverse)};
  const Dim n = y.shape()[static_cast<std::size_t>(axis)], next = op.reverse ? 1 : -1;
  if (n == kBatch) fail("recurrence", "has no derivative along the batch of ", to_string(y.shape()));
  const Tensor s = recurrence(g, roll(op.inputs[1], next, axis), axis, !op.reverse);
  if (!wanted[1]) return {s, {}};
  if (n == 0) return {s, zeros_like(y)};
  const Dim from = op.reverse ? 0 : 1, before = op.reverse ? 1 : 0;
  const Tensor product = slice(s, axis, from, from + n - 1) * slice(y, axis, before, before + n - 1);
  return {s, pad(product, axis, from, from + n - 1, y.shape())};
}

}  // namespace backpass
