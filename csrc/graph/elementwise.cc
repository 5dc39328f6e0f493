// Elementwise operations: building with NumPy's broadcasting, operators, and what is more than one function.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_inputs(Elementwise fn, int got) {
  if (row_of(fn).inputs != got) fail(name(fn), "takes ", row_of(fn).inputs, " inputs, got ", got);
}

void check_real(const char* who, const Tensor& x) {
  if (!x) fail(who, "got an empty tensor");
  if (x.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32: cast makes it real");
}

Shape broadcast_shape(const char* who, const Tensor& a, const Tensor& b) {
  if (std::optional<Shape> shape = broadcast(a.shape(), b.shape())) return *shape;
  fail(who, "shapes ", to_string(a.shape()), " and ", to_string(b.shape()), " do not broadcast");
}

}  // namespace

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const Shape &longer = a.size() >= b.size() ? a : b, &shorter = a.size() >= b.size() ? b : a;
  Shape shape = longer;
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    Dim& dim = shape[skip + i];
    if (dim != shorter[i] && dim != 1 && shorter[i] != 1) return {};
    if (dim == 1) dim = shorter[i];
  }
  return shape;
}

Tensor elementwise(Elementwise fn, const Tensor& a, double alpha) {
  check_inputs(fn, 1);
  check_real(name(fn), a);
  return make_tensor(
      {.kind = OpKind::elementwise, .inputs = {a}, .shape = a.shape(), .dtype = a.dtype(), .fn = fn, .alpha = alpha});
}

Tensor elementwise(Elementwise fn, const Tensor& a, const Tensor& b, double alpha) {
  check_inputs(fn, 2);
  if (compares_integers(fn, a, b)) return compared_integers(fn, a, b);
  check_real(name(fn), a);
  check_real(name(fn), b);
  if (a.dtype() != b.dtype()) {
    const auto [one, other] = in_one_type(name(fn), a, b);
    return elementwise(fn, one, other, alpha);
  }
  const Shape shape = broadcast_shape(name(fn), a, b);
  return make_tensor({.kind = OpKind::elementwise,
                      .inputs = {broadcast_to(a, shape), broadcast_to(b, shape)},
                      .shape = shape,
                      .dtype = a.dtype(),
                      .fn = fn,
                      .alpha = alpha});
}

Tensor rebuilt_elementwise(const Op& op) {
  std::optional<Deriving> scope;
  if (op.derived) scope.emplace();
  if (op.inputs.size() == 2) return elementwise(op.fn, op.inputs[0], op.inputs[1], op.alpha);
  return elementwise(op.fn, op.inputs[0], op.alpha);
}

Tensor operator-(const Tensor& x) { return elementwise(Elementwise::negate, x); }
Tensor log_cosh(const Tensor& x) { return elementwise(Elementwise::log_cosh, x); }
Tensor where_positive(const Tensor& x, const Tensor& keep) { return elementwise(Elementwise::relu_grad, x, keep); }

Tensor operator+(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::add, a, b); }
Tensor operator-(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::subtract, a, b); }
Tensor operator*(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::multiply, a, b); }
Tensor operator/(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::divide, a, b); }
Tensor operator+(const Tensor& a, double b) { return elementwise(Elementwise::shift, a, b); }
Tensor operator-(const Tensor& a, double b) { return elementwise(Elementwise::shift, a, -b); }
Tensor operator*(const Tensor& a, double b) { return elementwise(Elementwise::scale, a, b); }
Tensor operator/(const Tensor& a, double b) { return elementwise(Elementwise::scale, a, 1 / b); }
Tensor operator+(double a, const Tensor& b) { return b + a; }
Tensor operator-(double a, const Tensor& b) { return -b + a; }
Tensor operator*(double a, const Tensor& b) { return b * a; }
Tensor operator/(double a, const Tensor& b) { return elementwise(Elementwise::reciprocal, b) * a; }

Tensor selu(const Tensor& x) { return elu(x, kSeluAlpha) * kSeluScale; }

// The bounds come first: a tie sends its gradient to them, so that none flows at a bound.
Tensor hardtanh(const Tensor& x, double low, double high) {
  check_real("hardtanh", x);
  if (!(low < high)) fail("hardtanh", "low must be below high, got ", low, " and ", high);
  const Tensor above = maximum(constant(low, {}, x.dtype()), x);
  return minimum(constant(high, {}, x.dtype()), above);
}

Tensor relu6(const Tensor& x) {
  check_real("relu6", x);
  const Tensor above = relu(x);
  return minimum(constant(6, {}, x.dtype()), above);
}

namespace {

Tensor whole_power(const Tensor& x, int exponent) {
  Tensor result, square_of = x;
  for (int left = exponent; left > 0; left /= 2) {
    if (left % 2 == 1) result = result ? result * square_of : square_of;
    if (left > 1) square_of = square(square_of);
  }
  return result;
}

// 1 where x is not 0, else 0.
Tensor truth(const Tensor& x) {
  if (x.op().kind == OpKind::elementwise && is_choice(x.op().fn)) return x;
  return not_equal(x, constant(0, {}, x.dtype()));
}

}  // namespace

Tensor power(const Tensor& x, double exponent) {
  check_real("power", x);
  if (exponent == 0) return constant(1, x.shape(), x.dtype());
  if (exponent == 0.5) return sqrt(x);
  const double size = std::abs(exponent);
  if (size != std::floor(size) || size > 64) return power(x, constant(exponent, {}, x.dtype()));
  const Tensor result = whole_power(x, static_cast<int>(size));
  return exponent > 0 ? result : 1.0 / result;
}

Tensor polygamma(int order, const Tensor& x) {
  if (order < 0 || order > 16) fail("polygamma", "order must be between 0 and 16, got ", order);
  return order == 0 ? digamma(x) : elementwise(Elementwise::polygamma, x, order);
}

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  for (const Tensor& x : {condition, a, b}) check_real("where", x);
  if (a.dtype() != b.dtype()) {
    const auto [one, other] = in_one_type("where", a, b);
    return where(condition, one, other);
  }
  if (condition.dtype() != a.dtype()) {
    const auto [decides, one] = in_one_type("where", condition, a);
    return where(decides, one, in_one_type("where", b, one).first);
  }
  const Tensor chosen = truth(condition), other = logical_not(chosen);
  const Tensor first = where_positive(a, chosen), second = where_positive(b, other);
  return first + second;
}

Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high) {
  check_real("clip", x);
  const Tensor above = low ? maximum(x, low) : x;
  return high ? minimum(above, high) : above;
}

}  // namespace backpass
