// Matrix products as NumPy has them, and the two that dense layers are made of: rows times a matrix, and its
// derivative, closed under each other.
#include <algorithm>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_operands(const Tensor& a, const Tensor& b) {
  if (!a || !b) fail("matmul", "got an empty tensor");
  if (a.dtype() == DType::int32 || a.dtype() != b.dtype())
    fail("matmul", "takes two tensors of one real type, got ", name(a.dtype()), " and ", name(b.dtype()));
}

// a (..., k), b (k, n) or (n, k): checks and gives (..., n).
Shape product_shape(const Tensor& a, const Tensor& b, bool transpose_b) {
  if (a.shape().size() < 2 || b.shape().size() != 2)
    fail("matmul", "takes (..., k) and a matrix, got ", to_string(a.shape()), " and ", to_string(b.shape()));
  const Dim k = a.shape().back(), b_k = b.shape()[transpose_b ? 1 : 0];
  if (k != b_k)
    fail("matmul", "inner dimensions differ: ", to_string(a.shape()), " and ", to_string(b.shape()),
         transpose_b ? " transposed" : "");
  Shape shape = a.shape();
  shape.back() = b.shape()[transpose_b ? 0 : 1];
  return shape;
}

// a (..., m), b (..., n): checks and gives (m, n).
Shape contraction_shape(const Tensor& a, const Tensor& b) {
  if (a.shape().size() < 2 || b.shape().size() < 2)
    fail("matmul", "takes rows (..., m) and (..., n), got ", to_string(a.shape()), " and ", to_string(b.shape()));
  const Shape lead_a(a.shape().begin(), a.shape().end() - 1), lead_b(b.shape().begin(), b.shape().end() - 1);
  if (lead_a != lead_b)
    fail("matmul", "leading dimensions differ: ", to_string(a.shape()), " transposed and ", to_string(b.shape()));
  return {a.shape().back(), b.shape().back()};
}

// The leading dimensions over which b is repeated are rows of a, from the last that b has none of: one product for all.
// a (..., h, m, k) and b (..., 1, k, n) become (..., h m, k) and (..., k, n); the batch stays by itself.
void join_rows(Shape& a, Shape& b) {
  while (a.size() > 2 && a[a.size() - 3] != kBatch && (b.size() < 3 || b[b.size() - 3] == 1)) {
    a[a.size() - 2] *= a[a.size() - 3];
    a.erase(a.end() - 3, a.end() - 2);
    if (b.size() > 2) b.erase(b.end() - 3, b.end() - 2);
  }
}

// What swaps the last two axes alone is taken as it is before that, transposed.
Tensor without_swap(const Tensor& x, bool& transposed) {
  const Op& op = x.op();
  if (op.kind != OpKind::transpose) return x;
  const std::size_t rank = op.dims.size();
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t own = i + 2 < rank ? i : 2 * rank - 3 - i;
    if (op.dims[i] != static_cast<Dim>(own)) return x;
  }
  transposed = !transposed;
  return op.inputs[0];
}

// Both are matrices behind leading dimensions.
Tensor matrices(const Tensor& first, const Tensor& second, bool transpose_a, bool transpose_b, Precision precision) {
  const Tensor a = without_swap(first, transpose_a), b = without_swap(second, transpose_b);
  const bool lone = a.shape().size() == 2 && b.shape().size() == 2;
  if (lone && transpose_a && !transpose_b) return contract_rows(a, b, precision);
  if (transpose_a) return batch_matmul(a, b, true, transpose_b, precision);
  if (b.shape().size() == 2) return rows_times_matrix(a, b, transpose_b, precision);
  const Shape shape = batch_matmul_shape(a, b, false, transpose_b);
  Shape rows = a.shape(), matrix = b.shape();
  if (std::all_of(matrix.begin(), matrix.end() - 2, [](Dim dim) { return dim == 1; })) {
    matrix.erase(matrix.begin(), matrix.end() - 2);
    return reshape(rows_times_matrix(a, reshape(b, matrix), transpose_b, precision), shape);
  }
  join_rows(rows, matrix);
  return reshape(batch_matmul(reshape(a, rows), reshape(b, matrix), false, transpose_b, precision), shape);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, Precision precision) {
  if (a && b && a.dtype() != b.dtype()) {
    const auto [one, other] = in_one_type("matmul", a, b);
    return matmul(one, other, transpose_a, transpose_b, precision);
  }
  check_operands(a, b);
  const Shape &left = a.shape(), &right = b.shape();
  if (left.empty() || right.empty()) fail("matmul", "takes vectors and matrices; a number is multiplied with *");
  if ((transpose_a && left.size() == 1) || (transpose_b && right.size() == 1))
    fail("matmul", "a vector cannot be transposed, got ", to_string(left), " and ", to_string(right));
  if (left.size() > 1 && right.size() > 1) return matrices(a, b, transpose_a, transpose_b, precision);
  if (left.size() == 1 && right.size() == 1) {
    if (left != right) fail("matmul", "inner dimensions differ: ", to_string(left), " and ", to_string(right));
    return sum(a * b);
  }
  // A vector is a matrix of one row or column, which the result drops.
  if (left.size() == 1) {
    const Tensor y = matrices(reshape(a, {1, left[0]}), b, false, transpose_b, precision);
    Shape shape = y.shape();
    shape.erase(shape.end() - 2, shape.end() - 1);
    return reshape(y, shape);
  }
  const Tensor y = matrices(a, reshape(b, {right[0], 1}), transpose_a, false, precision);
  return reshape(y, Shape(y.shape().begin(), y.shape().end() - 1));
}

Tensor rows_times_matrix(const Tensor& a, const Tensor& b, bool transpose_b, Precision precision) {
  check_operands(a, b);
  return make_tensor({.kind = OpKind::matmul,
                      .inputs = {a, b},
                      .shape = product_shape(a, b, transpose_b),
                      .dtype = a.dtype(),
                      .transpose_b = transpose_b,
                      .precision = precision});
}

Tensor contract_rows(const Tensor& a, const Tensor& b, Precision precision) {
  check_operands(a, b);
  return make_tensor({.kind = OpKind::matmul,
                      .inputs = {a, b},
                      .shape = contraction_shape(a, b),
                      .dtype = a.dtype(),
                      .transpose_a = true,
                      .precision = precision});
}

Tensor rebuilt_matmul(const Op& op) {
  const Tensor &a = op.inputs[0], &b = op.inputs[1];
  if (op.transpose_a && op.transpose_b) fail("matmul", "transpose_a and transpose_b exclude each other");
  return op.transpose_a ? contract_rows(a, b, op.precision) : rows_times_matrix(a, b, op.transpose_b, op.precision);
}

double matmul_flops(const Tensor& y) {
  const Tensor& a = y.op().inputs[0];
  const double last = std::max(1.0, static_cast<double>(a.shape().back()));
  return 2 * elements_per_row(y) * (y.op().transpose_a ? elements_per_row(a) / last : last);
}

// Y = A B:   dA = G Bᵀ, dB = Aᵀ G.   Y = A Bᵀ: dA = G B, dB = Gᵀ A.   Y = Aᵀ B: dA = B Gᵀ, dB = A G.
Grads matmul_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Tensor &a = op.inputs[0], &b = op.inputs[1];
  std::vector<Tensor> grads(2);
  if (op.transpose_a) {
    if (wanted[0]) grads[0] = rows_times_matrix(b, g, true, op.precision);
    if (wanted[1]) grads[1] = rows_times_matrix(a, g, false, op.precision);
    return grads;
  }
  if (wanted[0]) grads[0] = rows_times_matrix(g, b, !op.transpose_b, op.precision);
  if (wanted[1]) grads[1] = op.transpose_b ? contract_rows(g, a, op.precision) : contract_rows(a, g, op.precision);
  return grads;
}

}  // namespace backpass
