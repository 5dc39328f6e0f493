// Batching rules: each kind of op again, over one more axis in front of some of its inputs.
#include <algorithm>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

Shape in_front(Dim size, const Shape& shape) {
  Shape result = shape;
  result.insert(result.begin(), size);
  return result;
}

std::vector<Dim> shifted(std::vector<Dim> axes) {
  for (Dim& axis : axes) ++axis;
  return axes;
}

// The axes [from, to) of x as one.
Tensor joined_axes(const Tensor& x, std::size_t from, std::size_t to) {
  Shape shape(x.shape().begin(), x.shape().begin() + from);
  Dim count = 1;
  for (std::size_t i = from; i < to; ++i) count *= x.shape()[i];
  shape.push_back(count);
  for (std::size_t i = to; i < x.shape().size(); ++i) shape.push_back(x.shape()[i]);
  return reshape(x, shape);
}

// (..., k) as rows (n, k), or (size, n, k).
Tensor as_rows(const BatchedInput& x) {
  const std::size_t first = x.mapped ? 1 : 0;
  return joined_axes(x.tensor, first, x.tensor.shape().size() - 1);
}

// A mapped axis stands before `rank` others, ones among them.
Tensor with_rank(const BatchedInput& x, std::size_t rank) {
  if (!x.mapped) return x.tensor;
  Shape shape = x.tensor.shape();
  while (shape.size() < rank + 1) shape.insert(shape.begin() + 1, 1);
  return reshape(x.tensor, shape);
}

}  // namespace

// Repeated where it is not mapped.
Tensor mapped(const BatchedInput& x, Dim size) {
  return x.mapped ? x.tensor : broadcast_to(x.tensor, in_front(size, x.tensor.shape()));
}

Tensor batched_elementwise(const Op& op, const BatchedInputs& x, Dim) {
  if (x.size() == 1) return elementwise(op.fn, x[0].tensor, op.alpha);
  return elementwise(op.fn, x[0].tensor, x[1].tensor, op.alpha);
}

// Rows times one matrix stay that; of several matrices, and of what is summed for each, there are many products.
Tensor batched_matmul(const Op& op, const BatchedInputs& x, Dim size) {
  const BatchedInput &a = x[0], &b = x[1];
  if (!op.transpose_a && !b.mapped) return rows_times_matrix(a.tensor, b.tensor, op.transpose_b, op.precision);
  const Tensor right = op.transpose_a ? as_rows(b) : b.tensor;
  const Tensor y = matmul(as_rows(a), right, op.transpose_a, op.transpose_b, op.precision);
  return reshape(y, in_front(size, op.shape));
}

Tensor batched_batch_matmul(const Op& op, const BatchedInputs& x, Dim size) {
  const std::size_t rank = op.shape.size();
  const Tensor y = matmul(with_rank(x[0], rank), with_rank(x[1], rank), op.transpose_a, op.transpose_b, op.precision);
  return reshape(y, in_front(size, op.shape));
}

// Right-hand sides lie behind leading dimensions that broadcast with those of the matrices.
Tensor batched_linalg(const Op& op, const BatchedInputs& x, Dim size) {
  Op made = op;
  for (std::size_t i = 0; i < x.size(); ++i)
    made.inputs[i] = x.size() == 1 ? x[i].tensor : with_rank({mapped(x[i], size), true}, op.shape.size());
  made.shape = in_front(size, op.shape);
  return make_tensor(std::move(made));
}

Tensor batched_sum(const Op& op, const BatchedInputs& x, Dim) { return sum(x[0].tensor, shifted(op.dims)); }

Tensor batched_broadcast(const Op& op, const BatchedInputs& x, Dim size) {
  return broadcast_to(with_rank(x[0], op.shape.size()), in_front(size, op.shape));
}

Tensor batched_reshape(const Op& op, const BatchedInputs& x, Dim size) {
  return reshape(x[0].tensor, in_front(size, op.shape));
}

Tensor batched_transpose(const Op& op, const BatchedInputs& x, Dim) {
  std::vector<Dim> axes = shifted(op.dims);
  axes.insert(axes.begin(), 0);
  return transpose(x[0].tensor, axes);
}

Tensor batched_slice(const Op& op, const BatchedInputs& x, Dim) {
  return slice(x[0].tensor, op.dims[0] + 1, op.dims[1], op.dims[2], step_of(op));
}

Tensor batched_pad(const Op& op, const BatchedInputs& x, Dim size) {
  return pad(x[0].tensor, op.dims[0] + 1, op.dims[1], op.dims[2], in_front(size, op.shape), step_of(op));
}

Tensor batched_flip(const Op& op, const BatchedInputs& x, Dim) { return flip(x[0].tensor, shifted(op.dims)); }

Tensor batched_concat(const Op& op, const BatchedInputs& x, Dim size) {
  std::vector<Tensor> parts;
  for (const BatchedInput& part : x) parts.push_back(mapped(part, size));
  return concat(parts, op.dims[0] + 1);
}

Tensor batched_row(const Op& op, const BatchedInputs& x, Dim size) {
  Op made = op;
  made.inputs = {x[0].tensor};
  made.shape = in_front(size, op.shape);
  return row_of(op).rebuild(made);
}

Tensor batched_take_label(const Op& op, const BatchedInputs& x, Dim size) {
  return take_label(mapped(x[0], size), mapped(x[1], size), op.ignore);
}

Tensor batched_put_label(const Op& op, const BatchedInputs& x, Dim size) {
  return put_label(mapped(x[0], size), mapped(x[1], size), in_front(size, op.shape), op.ignore);
}

// Each element of the map draws its own numbers.
Tensor batched_random(const Op& op, const BatchedInputs&, Dim size) {
  Op made = op;
  made.shape = in_front(size, op.shape);
  return make_tensor(std::move(made));
}

Tensor batched_by_mode(const Op&, const BatchedInputs& x, Dim size) {
  return by_mode(mapped(x[0], size), mapped(x[1], size));
}

// A state is one: it does not move with the elements of a map.
Tensor batched_track(const Op&, const BatchedInputs& x, Dim size) { return mapped(x[0], size); }

Tensor batched_stop_gradient(const Op&, const BatchedInputs& x, Dim) { return stop_gradient(x[0].tensor); }

// A loss has the terms of all elements.
Tensor batched_add_loss(const Op&, const BatchedInputs& x, Dim size) {
  return add_loss(mapped(x[0], size), x[1].mapped ? sum(x[1].tensor) : x[1].tensor);
}

// Of integers alone, it is for each element of inputs of one shape.
Tensor batched_host(const Op& op, const BatchedInputs& x, Dim size) {
  if (!is_choice(op))
    fail("vmap", op.host->name,
         " is computed by the host program, for one element at a time: compose it of operations");
  Op made = op;
  for (std::size_t i = 0; i < x.size(); ++i) made.inputs[i] = mapped(x[i], size);
  made.shape = in_front(size, op.shape);
  return make_tensor(std::move(made));
}

}  // namespace backpass
