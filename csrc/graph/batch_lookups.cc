// Batching rules of lookups: with an axis in front, rows by indices are elements along an axis.
#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

Shape behind(Dim size, const Shape& shape) {
  Shape result = shape;
  result.insert(result.begin(), size);
  return result;
}

// Indices of gather() for one more axis: ones stand for all of it, where the dimensions before their own do so too, and
// none of them is mapped (`any`): all have one shape.
Tensor along_map(const BatchedInput& indices, bool any, const Op& op, const Shape& table, Dim size) {
  const Shape inner =
      indices.mapped ? Shape(indices.tensor.shape().begin() + 1, indices.tensor.shape().end()) : indices.tensor.shape();
  const auto axis = static_cast<std::ptrdiff_t>(op.dims[0]);
  const bool by_place = std::any_of(inner.begin(), inner.begin() + axis, [](Dim dim) { return dim != 1; });
  if (!any && !by_place) return reshape(indices.tensor, behind(1, inner));
  Shape shape = behind(size, inner);
  std::copy_n(table.begin(), axis, shape.begin() + 1);
  return broadcast_to(indices.mapped ? indices.tensor : reshape(indices.tensor, behind(1, inner)), shape);
}

Tensor looked_up(const Op& op, const BatchedInputs& x, const Shape& table, Dim size) {
  Op made = op;
  made.inputs[0] = mapped(x[0], size);
  const bool any = std::any_of(x.begin() + 1, x.end(), [](const BatchedInput& indices) { return indices.mapped; });
  for (std::size_t i = 1; i < x.size(); ++i) made.inputs[i] = along_map(x[i], any, op, table, size);
  made.shape = behind(size, op.shape);
  made.dims = {op.dims[0] + 1, op.dims[1]};
  return rebuilt_gather(made);
}

// take() and scatter_add() as gather() and gather_add() along axis 1.
Tensor by_element(OpKind kind, const Op& op, const BatchedInputs& x, std::size_t rank_of_rows, Dim size) {
  if (op.ignore) fail("vmap", op.name, " with an index that is ignored takes one table and indices for all elements");
  const Tensor& indices = x[1].tensor;
  Shape shape = x[1].mapped ? indices.shape() : behind(1, indices.shape());
  const Dim rank = static_cast<Dim>(shape.size()) - 1;
  for (std::size_t i = 0; i < rank_of_rows; ++i) shape.push_back(1);
  return rebuilt_gather({.kind = kind,
                         .inputs = {mapped(x[0], size), reshape(indices, shape)},
                         .shape = behind(size, op.shape),
                         .dtype = op.dtype,
                         .dims = {1, rank},
                         .name = op.name});
}

}  // namespace

Tensor batched_gather(const Op& op, const BatchedInputs& x, Dim size) {
  return looked_up(op, x, op.inputs[0].shape(), size);
}

Tensor batched_gather_add(const Op& op, const BatchedInputs& x, Dim size) { return looked_up(op, x, op.shape, size); }

Tensor batched_take(const Op& op, const BatchedInputs& x, Dim size) {
  if (!x[0].mapped) return take_for(op.name, x[0].tensor, x[1].tensor, op.ignore);
  return by_element(OpKind::gather, op, x, op.inputs[0].shape().size() - 1, size);
}

Tensor batched_scatter_add(const Op& op, const BatchedInputs& x, Dim size) {
  return by_element(OpKind::gather_add, op, x, op.shape.size() - 1, size);
}

// Along axes.

namespace {

std::vector<Dim> moved_axes(std::vector<Dim> axes) {
  for (Dim& axis : axes) ++axis;
  return axes;
}

}  // namespace

Tensor batched_fold(const Op& op, const BatchedInputs& x, Dim) {
  Op made = op;
  made.inputs = {x[0].tensor};
  made.dims = moved_axes(op.dims);
  return rebuilt_fold(made);
}

Tensor batched_argsort(const Op& op, const BatchedInputs& x, Dim) {
  return argsort(x[0].tensor, op.dims[0] + 1, op.reverse);
}

Tensor batched_recurrence(const Op& op, const BatchedInputs& x, Dim size) {
  Op made = op;
  for (std::size_t i = 0; i < x.size(); ++i) made.inputs[i] = mapped(x[i], size);
  made.shape = behind(size, op.shape);
  made.dims = moved_axes(op.dims);
  return rebuilt_recurrence(made);
}

}  // namespace backpass
