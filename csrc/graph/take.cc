// Rows of a table by index, and the sums of rows that are its derivative.
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// (n, ...) without n.
Shape row_shape(const Shape& table) { return Shape(table.begin() + 1, table.end()); }

Shape joined(Shape first, const Shape& second) {
  for (const Dim dim : second) first.push_back(dim);
  return first;
}

void check_indices(const std::string& who, const Tensor& indices) {
  if (!indices || indices.dtype() != DType::int32)
    fail(who, "indices must be int32, got ", indices ? name(indices.dtype()) : "none");
}

void check_table(const std::string& who, const Shape& table) {
  if (table.empty() || table[0] == kBatch) fail(who, "takes rows of a table (n, ...), got ", to_string(table));
}

}  // namespace

Tensor take_for(std::string who, const Tensor& table, const Tensor& indices, std::optional<Dim> ignore) {
  if (!table) fail(who, "got an empty tensor");
  check_table(who, table.shape());
  check_indices(who, indices);
  return make_tensor({.kind = OpKind::take,
                      .inputs = {table, indices},
                      .shape = joined(indices.shape(), row_shape(table.shape())),
                      .dtype = table.dtype(),
                      .ignore = ignore,
                      .name = std::move(who)});
}

// With an index that is ignored, or of a table of which rows are updated: by rows. Along another axis it is moved to
// the front, and what was taken goes back to its place.
Tensor take(const Tensor& x, const Tensor& indices, Dim axis, std::optional<Dim> ignore) {
  const Dim at = normalize_axes("take", x, {axis})[0];
  if (!ignore && !x.op().sparse) return indexed("take", x, {indices}, at);
  if (at == 0) return take_for("take", x, indices, ignore);
  const Tensor taken = take_for("take", moveaxis(x, at, 0), indices, ignore);
  std::vector<Dim> order(taken.shape().size());
  const Dim count = static_cast<Dim>(indices.shape().size());
  for (Dim i = 0; i < static_cast<Dim>(order.size()); ++i)
    order[static_cast<std::size_t>(i)] = i < at ? count + i : i < at + count ? i - at : i;
  return transpose(taken, order);
}

Tensor scatter_add(const Tensor& value, const Tensor& indices, Shape shape, std::optional<Dim> ignore,
                   std::string who) {
  if (!value || value.dtype() == DType::int32) fail(who, "takes values of float32 or float64");
  check_table(who, shape);
  check_indices(who, indices);
  if (value.shape() != joined(indices.shape(), row_shape(shape)))
    fail(who, "values of shape ", to_string(value.shape()), " do not fit rows of ", to_string(shape));
  return make_tensor({.kind = OpKind::scatter_add,
                      .inputs = {value, indices},
                      .shape = std::move(shape),
                      .dtype = value.dtype(),
                      .ignore = ignore,
                      .name = std::move(who)});
}

Grads take_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Op& op = y.op();
  return {scatter_add(g, op.inputs[1], op.inputs[0].shape(), op.ignore, op.name), {}};
}

Grads scatter_add_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Op& op = y.op();
  return {take_for(op.name, g, op.inputs[1], op.ignore), {}};
}

}  // namespace backpass
