// Every elementwise function as ops build it, and its derivative in terms of its output y or its inputs a and b. A
// derivative that is missing does not compile (-Wswitch). Rules are expressions of the same functions, so they
// differentiate again.
#include <numbers>

#include "graph/rules.h"

namespace backpass {

Tensor abs(const Tensor& x) { return elementwise(Elementwise::absolute, x); }
Tensor sign(const Tensor& x) { return elementwise(Elementwise::sign, x); }
Tensor step(const Tensor& x) { return elementwise(Elementwise::step, x); }
Tensor square(const Tensor& x) { return elementwise(Elementwise::square, x); }
Tensor sqrt(const Tensor& x) { return elementwise(Elementwise::sqrt, x); }
Tensor exp(const Tensor& x) { return elementwise(Elementwise::exp, x); }
Tensor log(const Tensor& x) { return elementwise(Elementwise::log, x); }
Tensor erf(const Tensor& x) { return elementwise(Elementwise::erf, x); }
Tensor reciprocal(const Tensor& x) { return elementwise(Elementwise::reciprocal, x); }
Tensor rsqrt(const Tensor& x) { return elementwise(Elementwise::rsqrt, x); }
Tensor cbrt(const Tensor& x) { return elementwise(Elementwise::cbrt, x); }
Tensor exp2(const Tensor& x) { return elementwise(Elementwise::exp2, x); }
Tensor expm1(const Tensor& x) { return elementwise(Elementwise::expm1, x); }
Tensor log2(const Tensor& x) { return elementwise(Elementwise::log2, x); }
Tensor log10(const Tensor& x) { return elementwise(Elementwise::log10, x); }
Tensor log1p(const Tensor& x) { return elementwise(Elementwise::log1p, x); }
Tensor sin(const Tensor& x) { return elementwise(Elementwise::sin, x); }
Tensor cos(const Tensor& x) { return elementwise(Elementwise::cos, x); }
Tensor tan(const Tensor& x) { return elementwise(Elementwise::tan, x); }
Tensor arcsin(const Tensor& x) { return elementwise(Elementwise::arcsin, x); }
Tensor arccos(const Tensor& x) { return elementwise(Elementwise::arccos, x); }
Tensor arctan(const Tensor& x) { return elementwise(Elementwise::arctan, x); }
Tensor sinh(const Tensor& x) { return elementwise(Elementwise::sinh, x); }
Tensor cosh(const Tensor& x) { return elementwise(Elementwise::cosh, x); }
Tensor erfc(const Tensor& x) { return elementwise(Elementwise::erfc, x); }
Tensor lgamma(const Tensor& x) { return elementwise(Elementwise::lgamma, x); }
Tensor digamma(const Tensor& x) { return elementwise(Elementwise::digamma, x); }
Tensor softsign(const Tensor& x) { return elementwise(Elementwise::softsign, x); }
Tensor log_sigmoid(const Tensor& x) { return elementwise(Elementwise::log_sigmoid, x); }
Tensor floor(const Tensor& x) { return elementwise(Elementwise::floor, x); }
Tensor ceil(const Tensor& x) { return elementwise(Elementwise::ceil, x); }
Tensor round(const Tensor& x) { return elementwise(Elementwise::round, x); }
Tensor trunc(const Tensor& x) { return elementwise(Elementwise::trunc, x); }
Tensor isnan(const Tensor& x) { return elementwise(Elementwise::isnan, x); }
Tensor isinf(const Tensor& x) { return elementwise(Elementwise::isinf, x); }
Tensor isfinite(const Tensor& x) { return elementwise(Elementwise::isfinite, x); }
Tensor logical_not(const Tensor& x) { return elementwise(Elementwise::logical_not, x); }
Tensor relu(const Tensor& x) { return elementwise(Elementwise::relu, x); }
Tensor leaky_relu(const Tensor& x, double slope) { return elementwise(Elementwise::leaky_relu, x, slope); }
Tensor sigmoid(const Tensor& x) { return elementwise(Elementwise::sigmoid, x); }
Tensor tanh(const Tensor& x) { return elementwise(Elementwise::tanh, x); }
Tensor gelu(const Tensor& x) { return elementwise(Elementwise::gelu, x); }
Tensor gelu_tanh(const Tensor& x) { return elementwise(Elementwise::gelu_tanh, x); }
Tensor softplus(const Tensor& x) { return elementwise(Elementwise::softplus, x); }
Tensor elu(const Tensor& x, double alpha) { return elementwise(Elementwise::elu, x, alpha); }
Tensor silu(const Tensor& x) { return elementwise(Elementwise::silu, x); }
Tensor mish(const Tensor& x) { return elementwise(Elementwise::mish, x); }
Tensor maximum(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::maximum, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::minimum, a, b); }
Tensor greater(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::greater, a, b); }
Tensor equal(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::equal, a, b); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::not_equal, a, b); }
Tensor less(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::less, a, b); }
Tensor less_equal(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::less_equal, a, b); }
Tensor greater_equal(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::greater_equal, a, b); }
Tensor logical_and(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::logical_and, a, b); }
Tensor logical_or(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::logical_or, a, b); }
Tensor logical_xor(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::logical_xor, a, b); }
Tensor power(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::power, a, b); }
Tensor arctan2(const Tensor& y, const Tensor& x) { return elementwise(Elementwise::arctan2, y, x); }
Tensor hypot(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::hypot, a, b); }
Tensor logaddexp(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::logaddexp, a, b); }
Tensor mod(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::mod, a, b); }

namespace {

constexpr double kTwoBySqrtPi = 2 * std::numbers::inv_sqrtpi;                           // d erf(0)
constexpr double kInvSqrtTwoPi = std::numbers::inv_sqrtpi * 0.5 * std::numbers::sqrt2;  // phi(0)
// gelu_tanh(x) = x s(u), s the sigmoid and u = slope (x + cubic x^3).
constexpr double kGeluTanhSlope = std::numbers::sqrt2 * kTwoBySqrtPi, kGeluTanhCubic = 0.044715, kGeluTanhHigh = 100;

Tensor normal_density(const Tensor& x) { return exp(square(x) * -0.5) * kInvSqrtTwoPi; }

Tensor pair(Elementwise grad_fn, const Tensor& g, const Tensor& kept, double alpha = 0) {
  return elementwise(grad_fn, g, kept, alpha);
}

// x, and 1 where it is 0: for quotients that are 0 / 0 there, and shall be 0.
Tensor or_one(const Tensor& x) { return x + logical_not(x); }

Tensor inverse_cosine(const Tensor& sine) {
  const Tensor above = sine + 1.0;
  return rsqrt((1.0 - sine) * above);
}

// b a^(b - 1), which is 0 for b = 0, at a = 0 too.
Tensor power_by_base(const Tensor& g, const Tensor& a, const Tensor& b) {
  const Tensor none = logical_not(b);
  return g * (b * power(a, b - 1.0 + none));
}

// y log(a), which is 0 at a = 0 for b >= 0.
Tensor power_by_exponent(const Tensor& g, const Tensor& y, const Tensor& a) { return g * (y * log(or_one(a))); }

// Of arctan2(y, x): `across` over the square of the radius.
Tensor by_angle(const Tensor& g, const Tensor& y, const Tensor& x, const Tensor& across) {
  const Tensor radius = or_one(hypot(y, x));
  return g * (across / radius / radius);
}

// The second derivatives of what is x times a function of x. Factors that vanish far out come before those that grow.

Tensor silu_curvature(const Tensor& x) {
  const Tensor s = sigmoid(x), slope = s * (1.0 - s);
  const Tensor bend = 1.0 - s * 2.0, far = x * slope * bend;
  return slope * 2.0 + far;
}

Tensor mish_curvature(const Tensor& x) {
  const Tensor s = sigmoid(x), t = tanh(softplus(x)), slope = pair(Elementwise::tanh_grad, s, t);
  const Tensor both = t * s * 2.0, bend = 1.0 - s - both, far = x * slope * bend;
  return slope * 2.0 + far;
}

// Beyond the bounds it is 0, and powers of x would overflow.
Tensor gelu_tanh_curvature(const Tensor& any) {
  const Tensor x = hardtanh(any, -kGeluTanhHigh, kGeluTanhHigh), square_x = square(x);
  const Tensor s = sigmoid(x * (square_x * kGeluTanhCubic + 1.0) * kGeluTanhSlope), slope = s * (1.0 - s);
  const Tensor du = (square_x * (3 * kGeluTanhCubic) + 1.0) * kGeluTanhSlope;
  const Tensor x_ddu = square_x * (6 * kGeluTanhCubic * kGeluTanhSlope);
  const Tensor bend = 1.0 - s * 2.0, far = x * square(du) * bend;
  return slope * (du * 2.0 + x_ddu + far);
}

// The derivatives of f_grad(a, b) by b, times g. What is said in one expression is made in an order that is the
// compiler's, and files keep the order: so each expression here makes its ops one after the other.

Tensor scaled_by(const Tensor& g, const Tensor& a, const Tensor& curvature) { return g * a * curvature; }

Tensor gelu_second(const Tensor& g, const Tensor& a, const Tensor& b) {
  const Tensor bend = 2.0 - square(b), density = normal_density(b);
  return g * a * density * bend;
}

Tensor softplus_second(const Tensor& g, const Tensor& a, const Tensor& b) {
  const Tensor s = sigmoid(b);
  return pair(Elementwise::sigmoid_grad, g * a, s);
}

Tensor elu_second(const Tensor& g, const Tensor& a, const Tensor& b, double alpha) {
  const Tensor below = 1.0 - step(b);
  return pair(Elementwise::elu_grad, g * a, b, alpha) * below;
}

// What an input gets when y gets g.
Tensor elementwise_derivative(const Tensor& y, const Tensor& g, std::size_t input) {
  const Op& op = y.op();
  const Tensor& a = op.inputs[0];
  const Tensor b = op.inputs.size() > 1 ? op.inputs[1] : Tensor();
  const bool first = input == 0;
  switch (op.fn) {
    case Elementwise::copy:
      return g;
    case Elementwise::negate:
      return -g;
    case Elementwise::absolute:
      return g * sign(a);
    case Elementwise::sign:
      return {};
    case Elementwise::step:
      return {};
    case Elementwise::square:
      return g * (a * 2.0);
    case Elementwise::sqrt:
      return g / (y * 2.0);
    case Elementwise::reciprocal:
      return -(g * square(y));
    case Elementwise::exp:
      return g * y;
    case Elementwise::log:
      return g / a;
    case Elementwise::erf:
      return g * (exp(-square(a)) * kTwoBySqrtPi);
    case Elementwise::scale:
      return g * op.alpha;
    case Elementwise::shift:
      return g;
    case Elementwise::relu:
      return pair(Elementwise::relu_grad, g, y);
    case Elementwise::leaky_relu:
      return pair(Elementwise::leaky_relu_grad, g, a, op.alpha);
    case Elementwise::sigmoid:
      return pair(Elementwise::sigmoid_grad, g, y);
    case Elementwise::tanh:
      return pair(Elementwise::tanh_grad, g, y);
    case Elementwise::gelu:
      return pair(Elementwise::gelu_grad, g, a);
    case Elementwise::gelu_tanh:
      return pair(Elementwise::gelu_tanh_grad, g, a);
    case Elementwise::softplus:
      return pair(Elementwise::softplus_grad, g, a);
    case Elementwise::elu:
      return pair(Elementwise::elu_grad, g, a, op.alpha);
    case Elementwise::silu:
      return pair(Elementwise::silu_grad, g, a);
    case Elementwise::mish:
      return pair(Elementwise::mish_grad, g, a);
    case Elementwise::log_cosh:
      return g * tanh(a);
    case Elementwise::rsqrt:
      return g * (square(y) * y * -0.5);
    case Elementwise::cbrt:
      return g / (square(y) * 3.0);
    case Elementwise::exp2:
      return g * (y * std::numbers::ln2);
    case Elementwise::expm1:
      return g * exp(a);
    case Elementwise::log2:
      return g / (a * std::numbers::ln2);
    case Elementwise::log10:
      return g / (a * std::numbers::ln10);
    case Elementwise::log1p:
      return g / (a + 1.0);
    case Elementwise::sin:
      return g * cos(a);
    case Elementwise::cos:
      return -(g * sin(a));
    case Elementwise::tan:
      return g * (square(y) + 1.0);
    case Elementwise::arcsin:
      return g * inverse_cosine(a);
    case Elementwise::arccos:
      return -(g * inverse_cosine(a));
    case Elementwise::arctan:
      return g / (square(a) + 1.0);
    case Elementwise::sinh:
      return g * cosh(a);
    case Elementwise::cosh:
      return g * sinh(a);
    case Elementwise::erfc:
      return g * (exp(-square(a)) * -kTwoBySqrtPi);
    case Elementwise::lgamma:
      return g * digamma(a);
    case Elementwise::digamma:
      return g * elementwise(Elementwise::polygamma, a, 1.0);
    case Elementwise::polygamma:
      return g * elementwise(Elementwise::polygamma, a, op.alpha + 1);
    case Elementwise::softsign:
      return g * square(reciprocal(abs(a) + 1.0));
    case Elementwise::log_sigmoid:
      return pair(Elementwise::softplus_grad, g, -a);
    case Elementwise::floor:
    case Elementwise::ceil:
    case Elementwise::round:
    case Elementwise::trunc:
    case Elementwise::isnan:
    case Elementwise::isinf:
    case Elementwise::isfinite:
    case Elementwise::logical_not:
      return {};

    case Elementwise::add:
      return g;
    case Elementwise::subtract:
      return first ? g : -g;
    case Elementwise::multiply:
      return first ? g * b : g * a;
    case Elementwise::divide:
      return first ? g / b : -(g * y / b);
    case Elementwise::maximum:
      return first ? g - g * greater(b, a) : g * greater(b, a);
    case Elementwise::minimum:
      return first ? g - g * greater(a, b) : g * greater(a, b);
    case Elementwise::greater:
    case Elementwise::equal:
    case Elementwise::not_equal:
    case Elementwise::less:
    case Elementwise::less_equal:
    case Elementwise::greater_equal:
    case Elementwise::logical_and:
    case Elementwise::logical_or:
    case Elementwise::logical_xor:
      return {};
    case Elementwise::power:
      return first ? power_by_base(g, a, b) : power_by_exponent(g, y, a);
    case Elementwise::arctan2:
      return first ? by_angle(g, a, b, b) : -by_angle(g, a, b, a);
    case Elementwise::hypot:
      return g * ((first ? a : b) / or_one(y));
    case Elementwise::logaddexp:
      return g * sigmoid(first ? a - b : b - a);
    case Elementwise::mod:
      return first ? g : -(g * floor(a / b));

    case Elementwise::relu_grad:
      return first ? pair(op.fn, g, b) : Tensor();
    case Elementwise::leaky_relu_grad:
      return first ? pair(op.fn, g, b, op.alpha) : Tensor();
    case Elementwise::sigmoid_grad:
      return first ? pair(op.fn, g, b) : scaled_by(g, a, 1.0 - b * 2.0);
    case Elementwise::tanh_grad:
      return first ? pair(op.fn, g, b) : scaled_by(g, a, b * -2.0);
    case Elementwise::gelu_grad:
      return first ? pair(op.fn, g, b) : gelu_second(g, a, b);
    case Elementwise::gelu_tanh_grad:
      return first ? pair(op.fn, g, b) : scaled_by(g, a, gelu_tanh_curvature(b));
    case Elementwise::softplus_grad:
      return first ? pair(op.fn, g, b) : softplus_second(g, a, b);
    case Elementwise::elu_grad:
      return first ? pair(op.fn, g, b, op.alpha) : elu_second(g, a, b, op.alpha);
    case Elementwise::silu_grad:
      return first ? pair(op.fn, g, b) : scaled_by(g, a, silu_curvature(b));
    case Elementwise::mish_grad:
      return first ? pair(op.fn, g, b) : scaled_by(g, a, mish_curvature(b));
  }
  return {};
}

}  // namespace

Grads elementwise_derivatives(const Tensor& y, const Tensor& g, const Wanted& wanted) {
  Grads grads(y.op().inputs.size());
  for (std::size_t i = 0; i < grads.size(); ++i)
    if (wanted[i]) grads[i] = elementwise_derivative(y, g, i);
  return grads;
}

}  // namespace backpass
