// Matrix product: the three storage cases of a dense layer and their derivatives, closed under each other.
#include <algorithm>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// a (..., k), b (k, n) or (n, k): checks and gives (..., n).
Shape product_shape(const Tensor& a, const Tensor& b, bool transpose_b) {
  const Dim k = a.shape().back(), b_k = b.shape()[transpose_b ? 1 : 0];
  if (b.shape()[0] == kBatch) fail("matmul", "the second operand cannot have the batch as a dimension");
  if (k != b_k)
    fail("matmul", "inner dimensions differ: ", to_string(a.shape()), " and ", to_string(b.shape()),
         transpose_b ? " transposed" : "");
  Shape shape = a.shape();
  shape.back() = b.shape()[transpose_b ? 0 : 1];
  return shape;
}

// a (..., m), b (..., n): checks and gives (m, n).
Shape contraction_shape(const Tensor& a, const Tensor& b) {
  const Shape lead_a(a.shape().begin(), a.shape().end() - 1), lead_b(b.shape().begin(), b.shape().end() - 1);
  if (lead_a != lead_b)
    fail("matmul", "leading dimensions differ: ", to_string(a.shape()), " transposed and ", to_string(b.shape()));
  return {a.shape().back(), b.shape().back()};
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, Precision precision) {
  if (!a || !b) fail("matmul", "got an empty tensor");
  if (a.dtype() == DType::int32 || a.dtype() != b.dtype())
    fail("matmul", "takes two tensors of one real type, got ", name(a.dtype()), " and ", name(b.dtype()));
  if (transpose_a && transpose_b) fail("matmul", "transpose_a and transpose_b exclude each other: swap the operands");
  const std::size_t rank_b = b.shape().size();
  if (a.shape().size() < 2 || (transpose_a ? rank_b < 2 : rank_b != 2))
    fail("matmul", "takes (..., k) and a matrix, got ", to_string(a.shape()), " and ", to_string(b.shape()));
  if (a.shape().back() == kBatch || (transpose_a && b.shape().back() == kBatch))
    fail("matmul", "the last dimension cannot be the batch");
  Shape shape = transpose_a ? contraction_shape(a, b) : product_shape(a, b, transpose_b);
  return make_tensor({.kind = OpKind::matmul,
                      .inputs = {a, b},
                      .shape = std::move(shape),
                      .dtype = a.dtype(),
                      .transpose_a = transpose_a,
                      .transpose_b = transpose_b,
                      .precision = precision});
}

double matmul_flops(const Tensor& y) {
  const Tensor& a = y.op().inputs[0];
  const double last = static_cast<double>(a.shape().back());
  return 2 * elements_per_row(y) * (y.op().transpose_a ? elements_per_row(a) / std::max(last, 1.0) : last);
}

// Y = A B:   dA = G Bᵀ, dB = Aᵀ G.   Y = A Bᵀ: dA = G B, dB = Gᵀ A.   Y = Aᵀ B: dA = B Gᵀ, dB = A G.
Grads matmul_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Tensor &a = op.inputs[0], &b = op.inputs[1];
  std::vector<Tensor> grads(2);
  if (op.transpose_a) {
    if (wanted[0]) grads[0] = matmul(b, g, false, true, op.precision);
    if (wanted[1]) grads[1] = matmul(a, g, false, false, op.precision);
    return grads;
  }
  if (wanted[0]) grads[0] = matmul(g, b, false, !op.transpose_b, op.precision);
  if (wanted[1])
    grads[1] = op.transpose_b ? matmul(g, a, true, false, op.precision) : matmul(a, g, true, false, op.precision);
  return grads;
}

}  // namespace backpass
