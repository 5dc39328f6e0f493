// Symmetric eigenvalues, QR, and what is made of them.
#include "backpass/linalg.h"
#include "backpass/transforms.h"
#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

// a (..., m, n).
void check_matrix(const char* who, const Tensor& a) {
  if (!a) fail(who, "got an empty tensor");
  if (a.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32");
  const Shape& shape = a.shape();
  if (shape.size() < 2 || shape.back() == kBatch || shape[shape.size() - 2] == kBatch)
    fail(who, "takes matrices (..., m, n), got ", to_string(shape));
}

Dim rows_of(const Tensor& a) { return a.shape()[a.shape().size() - 2]; }
Dim cols_of(const Tensor& a) { return a.shape().back(); }

// What eigh packs: values (..., 1, n), vectors (..., n, n).
Tensor values_in(const Tensor& packed) { return slice(packed, -2, 0, 1); }
Tensor vectors_in(const Tensor& packed) { return slice(packed, -2, 1, rows_of(packed)); }

// 1 / x where `keep` says so, 0 elsewhere.
Tensor reciprocal_where(const Tensor& keep, const Tensor& x) {
  return where(keep, 1.0 / where(keep, x, ones_like(x)), zeros_like(x));
}

}  // namespace

Tensor eigen(const Tensor& a) {
  check_square("eigh", a);
  Shape shape = a.shape();
  ++shape[shape.size() - 2];
  return make_tensor({.kind = OpKind::eigh, .inputs = {a}, .shape = std::move(shape), .dtype = a.dtype()});
}

Tensor orthonormal(const Tensor& a) {
  check_matrix("qr", a);
  if (rows_of(a) < cols_of(a)) fail("qr", "of rows fewer than columns takes as many of these");
  return make_tensor({.kind = OpKind::qr, .inputs = {a}, .shape = a.shape(), .dtype = a.dtype()});
}

// With F_ij = 1 / (w_j - w_i), dA = V (diag(gw) + F * (Vᵀ gV)) Vᵀ (Giles 2008, section 3.1), its symmetric part. Of
// equal values the vectors are any basis: what would turn them among each other is left out.
Grads eigh_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor v = vectors_in(y), apart = values_in(y) - transposed(values_in(y));
  const Tensor f = reciprocal_where(not_equal(apart, zeros_like(apart)), apart);
  const Tensor turned = f * matmul(v, vectors_in(g), true), own = values_in(g) * eye(cols_of(v), {}, 0, v.dtype());
  const Tensor da = matmul(matmul(v, turned + own), v, false, true);
  return {(da + transposed(da)) * 0.5};
}

// With M = -gᵀ Q, of which the lower triangle counts on both sides: dA = (g + Q M) R⁻ᵀ (Walter and Lehmann 2010).
Grads qr_derivative(const Tensor& y, const Tensor& g, const Wanted&) {
  const Tensor m = -matmul(g, y, true), both = tril(m) + transposed(tril(m, -1));
  const Tensor r = matmul(y, y.op().inputs[0], true), turned = g + matmul(y, both);
  return {transposed(solve_triangle(r, transposed(turned), false, false, false))};
}

namespace linalg {

Eigen eigh(const Tensor& a) {
  const Tensor packed = eigen(a);
  return {squeeze(values_in(packed), std::vector<Dim>{-2}), vectors_in(packed)};
}

QR qr(const Tensor& a) {
  check_matrix("qr", a);
  const Tensor q = orthonormal(rows_of(a) < cols_of(a) ? slice(a, -1, 0, rows_of(a)) : a);
  return {q, triu(matmul(q, a, true))};
}

Tensor matrix_power(const Tensor& a, Dim n) {
  check_square("matrix_power", a);
  if (n == 0) return broadcast_to(eye(cols_of(a), {}, 0, a.dtype()), a.shape());
  Tensor power = n < 0 ? inv(a) : a, result;
  for (std::uint64_t left = n < 0 ? -static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n); left > 0;
       left /= 2) {
    if (left % 2 == 1) result = result ? matmul(result, power) : power;
    if (left > 1) power = matmul(power, power);
  }
  return result;
}

namespace {

// Of a square matrix: a block of that of [[0, aᵀ], [a, 0]], which is symmetric.
Tensor pinv_of_square(const Tensor& a, double rtol) {
  const Dim n = cols_of(a);
  const Tensor none = zeros_like(a);
  const Eigen all = eigh(concat({concat({none, transposed(a)}, -1), concat({a, none}, -1)}, -2));
  const Tensor size = abs(all.values), least = max(size, std::vector<Dim>{-1}, true) * rtol;
  const Tensor inverses = expand_dims(reciprocal_where(greater(size, least), all.values), -2);
  return matmul(slice(all.vectors, -2, 0, n) * inverses, slice(all.vectors, -2, n, 2 * n), false, true);
}

// Of P = A⁺, by Golub and Pereyra 1973: -Pᵀ G Pᵀ + (Gᵀ - A P Gᵀ) P Pᵀ + Pᵀ P Gᵀ (1 - P A).
std::vector<Tensor> pinv_gradient(const Tensor& a, const Tensor& p, const Tensor& g) {
  const Tensor of_g = matmul(p, g, false, true), beyond = transposed(g) - matmul(a, of_g);
  const Tensor within = matmul(p, of_g, true);
  return {matmul(matmul(beyond, p), p, false, true) + within - matmul(within, matmul(p, a)) -
          matmul(matmul(p, g, true), p, false, true)};
}

}  // namespace

Tensor pinv(const Tensor& a, std::optional<double> rtol) {
  check_matrix("pinv", a);
  if (rows_of(a) < cols_of(a)) return transposed(pinv(transposed(a), rtol));
  if (cols_of(a) == 0) return transposed(a);
  if (rtol && !(*rtol >= 0)) fail("pinv", "rtol must not be negative, got ", *rtol);
  const double eps = a.dtype() == DType::float64 ? 0x1p-52 : 0x1p-23;
  const QR parts = qr(a);
  const Tensor p =
      matmul(pinv_of_square(parts.r, rtol.value_or(static_cast<double>(rows_of(a)) * eps)), parts.q, false, true);
  return custom_gradient(p, {a}, [](const std::vector<Tensor>& xs, const Tensor& y, const Tensor& grad) {
    return pinv_gradient(xs[0], y, grad);
  });
}

Tensor lstsq(const Tensor& a, const Tensor& b, std::optional<double> rtol) {
  check_matrix("lstsq", a);
  if (!b || b.dtype() != a.dtype()) fail("lstsq", "takes two tensors of one real type");
  return matmul(pinv(a, rtol), b);
}

}  // namespace linalg
}  // namespace backpass
