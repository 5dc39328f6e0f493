// Elements by indices along axes, and the derivative, sums of elements by indices.
#include <algorithm>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// Of an op: dims are the first axis that is indexed, and the rank of the indices; inputs behind the first are indices,
// each with the rank of the result. Around their own dimensions they have those of the result, or ones on a side.
struct GatherShape {
  std::size_t axis, count, rank;  // of the table: its first axis that is indexed, and how many; dimensions of indices

  Shape result(const Shape& table, const Shape& indices) const {
    Shape shape(table.begin(), table.begin() + axis);
    for (std::size_t i = axis; i < axis + rank; ++i) shape.push_back(indices[i]);
    for (std::size_t i = axis + count; i < table.size(); ++i) shape.push_back(table[i]);
    return shape;
  }
};

bool side_fits(const Shape& indices, const Shape& result, std::size_t begin, std::size_t end) {
  const auto all = [&](auto fits) {
    for (std::size_t i = begin; i < end; ++i)
      if (!fits(i)) return false;
    return true;
  };
  return all([&](std::size_t i) { return indices[i] == 1; }) ||
         all([&](std::size_t i) { return indices[i] == result[i]; });
}

// The shape of what is gathered, checked.
Shape gathered_shape(const char* who, const Shape& table, std::span<const Tensor> indices, Dim axis, Dim rank) {
  const std::size_t count = indices.size();
  if (axis < 0 || rank < 0 || count == 0 || static_cast<std::size_t>(axis) + count > table.size())
    fail(who, "got ", count, " indices from axis ", axis, " on for shape ", to_string(table));
  const GatherShape shape{static_cast<std::size_t>(axis), count, static_cast<std::size_t>(rank)};
  for (const Tensor& i : indices)
    if (!i || i.dtype() != DType::int32 || i.shape() != indices[0].shape() ||
        i.shape().size() != table.size() - count + shape.rank)
      fail(who, "indices must be int32, of one shape and of the rank of the result");
  const Shape& own = indices[0].shape();
  Shape result = shape.result(table, own);
  if (!side_fits(own, result, 0, shape.axis) || !side_fits(own, result, shape.axis + shape.rank, result.size()))
    fail(who, "indices of shape ", to_string(own), " do not fit shape ", to_string(table));
  return result;
}

Tensor gather_from(const Tensor& x, std::vector<Tensor> indices, Dim axis, Dim rank, std::string who) {
  if (!x) fail(who, "got an empty tensor");
  Shape shape = gathered_shape(who.c_str(), x.shape(), indices, axis, rank);
  indices.insert(indices.begin(), x);
  return make_tensor({.kind = OpKind::gather,
                      .inputs = std::move(indices),
                      .shape = std::move(shape),
                      .dtype = x.dtype(),
                      .dims = {axis, rank},
                      .name = std::move(who)});
}

Tensor gather_add(const Tensor& value, std::vector<Tensor> indices, Shape shape, Dim axis, Dim rank, std::string who) {
  if (!value || value.dtype() == DType::int32) fail(who, "takes values of float32 or float64");
  if (gathered_shape(who.c_str(), shape, indices, axis, rank) != value.shape())
    fail(who, "values of shape ", to_string(value.shape()), " do not fit ", to_string(shape));
  indices.insert(indices.begin(), value);
  return make_tensor({.kind = OpKind::gather_add,
                      .inputs = std::move(indices),
                      .shape = std::move(shape),
                      .dtype = value.dtype(),
                      .dims = {axis, rank},
                      .name = std::move(who)});
}

std::vector<Tensor> indices_of(const Op& op) { return {op.inputs.begin() + 1, op.inputs.end()}; }

Dim joint_dim(const char* who, const Tensor& x, const Tensor& indices, std::size_t at) {
  const Dim a = x.shape()[at], b = indices.shape()[at];
  if (a != b && a != 1 && b != 1)
    fail(who, "indices of shape ", to_string(indices.shape()), " do not fit shape ", to_string(x.shape()));
  return a == 1 ? b : a;
}

std::size_t checked_axis(const char* who, const Tensor& x, const Tensor& indices, Dim axis) {
  if (!x || !indices || indices.dtype() != DType::int32) fail(who, "takes a tensor, and int32 indices");
  if (x.shape().size() != indices.shape().size())
    fail(who, "needs indices of as many dimensions as x has: ", to_string(indices.shape()), " and ",
         to_string(x.shape()));
  return static_cast<std::size_t>(normalize_axes(who, x, {axis})[0]);
}

}  // namespace

Tensor index_axes(const Tensor& x, const std::vector<Tensor>& indices, Dim axis) {
  return indexed("index", x, indices, axis);
}

// Dimensions around those of the indices: ones on both sides.
Tensor indexed(const char* who, const Tensor& x, const std::vector<Tensor>& indices, Dim axis) {
  if (!x) fail(who, "got an empty tensor");
  const std::size_t at = static_cast<std::size_t>(normalize_axes(who, x, {axis})[0]);
  if (indices.empty() || at + indices.size() > x.shape().size())
    fail(who, "got ", indices.size(), " indices from axis ", at, " on for shape ", to_string(x.shape()));
  std::vector<Tensor> aligned;
  for (const Tensor& i : indices) {
    if (!i || i.dtype() != DType::int32) fail(who, "indices must be int32, got ", i ? name(i.dtype()) : "none");
    Shape shape;
    for (std::size_t before = 0; before < at; ++before) shape.push_back(1);
    for (const Dim dim : i.shape()) shape.push_back(dim);
    for (std::size_t rest = at + indices.size(); rest < x.shape().size(); ++rest) shape.push_back(1);
    aligned.push_back(reshape(i, shape));
  }
  const Dim rank = static_cast<Dim>(indices[0].shape().size());
  return gather_from(x, std::move(aligned), static_cast<Dim>(at), rank, who);
}

Tensor take_along_axis(const Tensor& x, const Tensor& indices, Dim axis) {
  const std::size_t at = checked_axis("take_along_axis", x, indices, axis);
  Shape table = x.shape(), own = indices.shape();
  for (std::size_t i = 0; i < table.size(); ++i)
    if (i != at) table[i] = own[i] = joint_dim("take_along_axis", x, indices, i);
  return gather_from(broadcast_to(x, table), {broadcast_to(indices, own)}, static_cast<Dim>(at), 1, "take_along_axis");
}

Tensor gather(const Tensor& x, Dim axis, const Tensor& indices) {
  const std::size_t at = checked_axis("gather", x, indices, axis);
  Tensor table = x;
  for (std::size_t i = 0; i < x.shape().size(); ++i) {
    const Dim own = indices.shape()[i];
    if (i == at || own == x.shape()[i]) continue;
    if (own == kBatch || x.shape()[i] == kBatch || own > x.shape()[i])
      fail("gather", "indices of shape ", to_string(indices.shape()), " do not fit shape ", to_string(x.shape()));
    table = slice(table, static_cast<Dim>(i), 0, own);
  }
  return gather_from(table, {indices}, static_cast<Dim>(at), 1, "gather");
}

Tensor one_hot(const Tensor& indices, Dim num_classes, DType dtype) {
  if (!indices || indices.dtype() != DType::int32) fail("one_hot", "takes int32 indices");
  if (num_classes < 0) fail("one_hot", "num_classes must not be negative, got ", num_classes);
  Shape shape = indices.shape();
  shape.push_back(num_classes);
  return put_label(constant(1, indices.shape(), dtype), indices, shape);
}

Tensor rebuilt_gather(const Op& op) {
  if (op.dims.size() != 2) fail("graph", op.name, " takes two dims, got ", op.dims.size());
  if (op.kind == OpKind::gather) return gather_from(op.inputs[0], indices_of(op), op.dims[0], op.dims[1], op.name);
  return gather_add(op.inputs[0], indices_of(op), op.shape, op.dims[0], op.dims[1], op.name);
}

Grads gather_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Op& op = y.op();
  Grads grads(op.inputs.size());
  grads[0] = gather_add(g, indices_of(op), op.inputs[0].shape(), op.dims[0], op.dims[1], op.name);
  return grads;
}

Grads gather_add_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Op& op = y.op();
  Grads grads(op.inputs.size());
  grads[0] = gather_from(g, indices_of(op), op.dims[0], op.dims[1], op.name);
  return grads;
}

}  // namespace backpass
