// Elementwise operations: names, building with NumPy's broadcasting.
#include <algorithm>

#include "base/error.h"
#include "graph/op.h"

namespace backpass {

const char* name(Elementwise fn) {
  // clang-format off
  static constexpr const char* kNames[kElementwiseCount] = {
      "copy", "negate", "abs", "sign", "step", "square",
      "sqrt", "reciprocal", "exp", "log", "erf", "scale",
      "shift", "relu", "leaky_relu", "sigmoid", "tanh", "gelu",
      "gelu_tanh", "softplus", "elu", "silu", "mish", "log_cosh",
      "add", "subtract", "multiply", "divide", "maximum", "minimum",
      "greater", "relu_grad", "leaky_relu_grad", "sigmoid_grad", "tanh_grad", "gelu_grad",
      "gelu_tanh_grad", "softplus_grad", "elu_grad", "silu_grad", "mish_grad"};
  // clang-format on
  static_assert(kNames[kElementwiseCount - 1] != nullptr, "a function without a name");
  return kNames[static_cast<int>(fn)];
}

namespace {

void check_real(const char* who, const Tensor& x) {
  if (!x) fail(who, "got an empty tensor");
  if (x.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32");
}

Dim broadcast_dim(const char* who, const Tensor& a, const Tensor& b, Dim i, Dim j) {
  if (i == j || j == 1) return i;
  if (i == 1) return j;
  fail(who, "shapes ", to_string(a.shape()), " and ", to_string(b.shape()), " do not broadcast");
}

Shape broadcast_shape(const char* who, const Tensor& a, const Tensor& b) {
  const Shape& longer = a.shape().size() >= b.shape().size() ? a.shape() : b.shape();
  const Shape& shorter = a.shape().size() >= b.shape().size() ? b.shape() : a.shape();
  Shape shape = longer;
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i)
    shape[skip + i] = broadcast_dim(who, a, b, shape[skip + i], shorter[i]);
  return shape;
}

}  // namespace

Tensor elementwise(Elementwise fn, const Tensor& a, double alpha) {
  check_real(name(fn), a);
  return make_tensor(
      {.kind = OpKind::elementwise, .inputs = {a}, .shape = a.shape(), .dtype = a.dtype(), .fn = fn, .alpha = alpha});
}

Tensor elementwise(Elementwise fn, const Tensor& a, const Tensor& b, double alpha) {
  check_real(name(fn), a);
  check_real(name(fn), b);
  if (a.dtype() != b.dtype()) fail(name(fn), "types differ: ", name(a.dtype()), " and ", name(b.dtype()));
  const Shape shape = broadcast_shape(name(fn), a, b);
  return make_tensor({.kind = OpKind::elementwise,
                      .inputs = {broadcast_to(a, shape), broadcast_to(b, shape)},
                      .shape = shape,
                      .dtype = a.dtype(),
                      .fn = fn,
                      .alpha = alpha});
}

Tensor operator-(const Tensor& x) { return elementwise(Elementwise::negate, x); }
Tensor abs(const Tensor& x) { return elementwise(Elementwise::absolute, x); }
Tensor sign(const Tensor& x) { return elementwise(Elementwise::sign, x); }
Tensor step(const Tensor& x) { return elementwise(Elementwise::step, x); }
Tensor square(const Tensor& x) { return elementwise(Elementwise::square, x); }
Tensor sqrt(const Tensor& x) { return elementwise(Elementwise::sqrt, x); }
Tensor exp(const Tensor& x) { return elementwise(Elementwise::exp, x); }
Tensor log(const Tensor& x) { return elementwise(Elementwise::log, x); }
Tensor erf(const Tensor& x) { return elementwise(Elementwise::erf, x); }
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
Tensor maximum(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::maximum, a, b); }
Tensor minimum(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::minimum, a, b); }
Tensor greater(const Tensor& a, const Tensor& b) { return elementwise(Elementwise::greater, a, b); }

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

}  // namespace backpass
