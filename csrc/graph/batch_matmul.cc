// Many matrix products at once: behind leading dimensions that broadcast as in NumPy.
#include <algorithm>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

Shape leading(const Shape& shape) { return Shape(shape.begin(), shape.end() - 2); }

[[noreturn]] void fail_with(const char* what, const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  fail("matmul", what, ": ", to_string(a.shape()), transpose_a ? " transposed and " : " and ", to_string(b.shape()),
       transpose_b ? " transposed" : "");
}

}  // namespace

// a (..., m, k), or (..., k, m) where it is transposed; b (..., k, n), or (..., n, k).
Shape batch_matmul_shape(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b) {
  const auto fail_as = [&](const char* what) { fail_with(what, a, b, transpose_a, transpose_b); };
  const Shape &left = a.shape(), &right = b.shape();
  if (left.size() < 2 || right.size() < 2) fail_as("takes matrices");
  Dim m = left[left.size() - 2], k = left.back(), b_k = right[right.size() - 2], n = right.back();
  if (transpose_a) std::swap(m, k);
  if (transpose_b) std::swap(b_k, n);
  if (m == kBatch || k == kBatch || b_k == kBatch || n == kBatch)
    fail_as("the batch can only be a leading dimension of many products");
  if (k != b_k) fail_as("inner dimensions differ");
  const std::optional<Shape> lead = broadcast(leading(left), leading(right));
  if (!lead) fail_as("leading dimensions do not broadcast");
  Shape shape = *lead;
  if (std::find(shape.begin() + (shape.empty() ? 0 : 1), shape.end(), kBatch) != shape.end())
    fail_as("the batch can only be the first dimension");
  shape.push_back(m);
  shape.push_back(n);
  return shape;
}

Tensor batch_matmul(const Tensor& a, const Tensor& b, bool transpose_a, bool transpose_b, Precision precision) {
  if (a.dtype() == DType::int32 || a.dtype() != b.dtype())
    fail("matmul", "takes two tensors of one real type, got ", name(a.dtype()), " and ", name(b.dtype()));
  return make_tensor({.kind = OpKind::batch_matmul,
                      .inputs = {a, b},
                      .shape = batch_matmul_shape(a, b, transpose_a, transpose_b),
                      .dtype = a.dtype(),
                      .transpose_a = transpose_a,
                      .transpose_b = transpose_b,
                      .precision = precision});
}

double batch_matmul_flops(const Tensor& y) {
  const Op& op = y.op();
  const Shape& a = op.inputs[0].shape();
  return 2 * elements_per_row(y) * static_cast<double>(op.transpose_a ? a[a.size() - 2] : a.back());
}

// Y = A B: dA = G Bᵀ, dB = Aᵀ G, summed over the leading dimensions over which A or B was repeated. Of what is stored
// transposed the gradient is, too: (G Bᵀ)ᵀ = B Gᵀ. By matmul: where a sum is over all products, it is one.
Grads batch_matmul_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Tensor &a = op.inputs[0], &b = op.inputs[1];
  const bool ta = op.transpose_a, tb = op.transpose_b;
  const auto product = [&](const Tensor& left, const Tensor& right, bool transpose_left, bool transpose_right) {
    return matmul(left, right, transpose_left, transpose_right, op.precision);
  };
  Grads grads(2);
  if (wanted[0]) grads[0] = sum_to(ta ? product(b, g, tb, true) : product(g, b, false, !tb), a.shape());
  if (wanted[1]) grads[1] = sum_to(tb ? product(g, a, true, ta) : product(a, g, !ta, false), b.shape());
  return grads;
}

}  // namespace backpass
