// Linear algebra of dense matrices: shapes and derivatives.
#include "backpass/linalg.h"

#include "backpass/shape_ops.h"
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {

Shape check_square(const char* who, const Tensor& a) {
  if (!a) fail(who, "got an empty tensor");
  const Shape& shape = a.shape();
  if (a.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32");
  if (shape.size() < 2 || shape[shape.size() - 2] != shape.back() || shape.back() == kBatch)
    fail(who, "takes square matrices (..., n, n), got ", to_string(shape));
  return Shape(shape.begin(), shape.end() - 2);
}

Tensor transposed(const Tensor& x) { return swapaxes(x, -1, -2); }

namespace {

Tensor of_square(OpKind kind, const Tensor& a, bool keeps_matrix) {
  const Shape lead = check_square(name(kind), a);
  return make_tensor({.kind = kind, .inputs = {a}, .shape = keeps_matrix ? a.shape() : lead, .dtype = a.dtype()});
}

// a (..., n, n), b (..., n, k): the shape of x with a x = b.
Shape solution_shape(const char* who, const Tensor& a, const Tensor& b) {
  check_square(who, a);
  if (!b || b.dtype() != a.dtype()) fail(who, "takes two tensors of one real type");
  if (b.shape().size() < 2 || b.shape()[b.shape().size() - 2] != a.shape().back())
    fail(who, "right-hand sides ", to_string(b.shape()), " do not fit ", to_string(a.shape()));
  return batch_matmul_shape(a, b, false, false);
}

// What `solves` does with a matrix of right-hand sides, for one vector too.
template <class F>
Tensor with_columns(const char* who, const Tensor& b, F solves) {
  if (!b) fail(who, "got an empty tensor");
  if (b.shape().size() != 1) return solves(b);
  const Tensor x = solves(reshape(b, {b.shape()[0], 1}));
  return reshape(x, Shape(x.shape().begin(), x.shape().end() - 1));
}

// g (...) beside matrices (..., n, n).
Tensor beside(const Tensor& g) {
  Shape shape = g.shape();
  shape.push_back(1);
  shape.push_back(1);
  return reshape(g, shape);
}

}  // namespace

Tensor solve_triangle(const Tensor& a, const Tensor& b, bool transpose_a, bool lower, bool unit) {
  return make_tensor({.kind = OpKind::triangular_solve,
                      .inputs = {a, b},
                      .shape = solution_shape("triangular_solve", a, b),
                      .dtype = a.dtype(),
                      .lower = lower,
                      .unit = unit,
                      .transpose_a = transpose_a});
}

Tensor solve_square(const Tensor& a, const Tensor& b, bool transpose_a) {
  return make_tensor({.kind = OpKind::solve,
                      .inputs = {a, b},
                      .shape = solution_shape("solve", a, b),
                      .dtype = a.dtype(),
                      .transpose_a = transpose_a});
}

Tensor det_sign(const Tensor& a) { return of_square(OpKind::det_sign, a, false); }
Tensor log_abs_det(const Tensor& a) { return of_square(OpKind::log_abs_det, a, false); }

namespace linalg {

Tensor cholesky(const Tensor& a) { return of_square(OpKind::cholesky, a, true); }
Tensor inv(const Tensor& a) { return of_square(OpKind::inv, a, true); }
Tensor det(const Tensor& a) { return of_square(OpKind::det, a, false); }
std::pair<Tensor, Tensor> slogdet(const Tensor& a) { return {det_sign(a), log_abs_det(a)}; }
Tensor logdet(const Tensor& a) { return log(det_sign(a)) + log_abs_det(a); }

Tensor triangular_solve(const Tensor& a, const Tensor& b, Triangle triangle) {
  return with_columns("triangular_solve", b, [&](const Tensor& columns) {
    return solve_triangle(a, columns, triangle.transpose, triangle.lower, triangle.unit);
  });
}

Tensor solve(const Tensor& a, const Tensor& b) {
  return with_columns("solve", b, [&](const Tensor& columns) { return solve_square(a, columns, false); });
}

}  // namespace linalg

// Murray 2016, section 3.1: with P the lower triangle of Lᵀ G, its diagonal halved, the gradient is the symmetric part
// of L⁻ᵀ P L⁻¹, which is (L⁻ᵀ (L⁻ᵀ P)ᵀ)ᵀ.
Grads cholesky_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor product = matmul(y, g, true), p = (tril(product) + tril(product, -1)) * 0.5;
  const Tensor s = solve_triangle(y, transposed(solve_triangle(y, p, true, true, false)), true, true, false);
  return {(s + transposed(s)) * 0.5};
}

// A X = B: dB = A⁻ᵀ G and dA = -dB Xᵀ; of Aᵀ it is transposed (Giles 2008, section 2.3.1). Of A only what was read.
Grads triangular_solve_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Tensor db = solve_triangle(op.inputs[0], g, !op.transpose_a, op.lower, op.unit);
  Grads grads(2);
  if (wanted[0]) {
    const Tensor da = op.transpose_a ? matmul(y, db, false, true) : matmul(db, y, false, true);
    const Dim beside_diagonal = op.unit ? 1 : 0;
    grads[0] = sum_to(-(op.lower ? tril(da, -beside_diagonal) : triu(da, beside_diagonal)), op.inputs[0].shape());
  }
  if (wanted[1]) grads[1] = sum_to(db, op.inputs[1].shape());
  return grads;
}

Grads solve_derivative(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  const Op& op = y.op();
  const Tensor db = solve_square(op.inputs[0], g, !op.transpose_a);
  Grads grads(2);
  if (wanted[0]) {
    const Tensor da = op.transpose_a ? matmul(y, db, false, true) : matmul(db, y, false, true);
    grads[0] = sum_to(-da, op.inputs[0].shape());
  }
  if (wanted[1]) grads[1] = sum_to(db, op.inputs[1].shape());
  return grads;
}

// Y = A⁻¹: dA = -Yᵀ G Yᵀ (Giles 2008, section 2.2.3).
Grads inv_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {-matmul(y, matmul(g, y, false, true), true)};
}

// d det A = det A A⁻ᵀ, d log |det A| = A⁻ᵀ (Giles 2008, sections 2.2.4 and 2.2.5).
Grads det_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {transposed(linalg::inv(y.op().inputs[0])) * beside(g * y)};
}

Grads log_abs_det_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  return {transposed(linalg::inv(y.op().inputs[0])) * beside(g)};
}

double linalg_flops(const Tensor& y) {
  const Op& op = y.op();
  const Tensor& a = op.inputs[0];
  const double n = static_cast<double>(a.shape().back());
  if (op.kind == OpKind::triangular_solve) return n * elements_per_row(y);
  if (op.kind == OpKind::eigh) return 9 * n * elements_per_row(a);
  if (op.kind == OpKind::qr) return 4 * n * elements_per_row(a);
  const double factoring = elements_per_row(a) * n / (op.kind == OpKind::cholesky ? 3 : 1.5);
  if (op.kind == OpKind::solve) return factoring + 2 * n * elements_per_row(y);
  return op.kind == OpKind::inv ? 3 * factoring : factoring;
}

}  // namespace backpass
