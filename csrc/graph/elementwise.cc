// Elementwise operations: building with NumPy's broadcasting, operators, and what is more than one function.
#include <algorithm>

#include "base/error.h"
#include "graph/rules.h"

namespace backpass {
namespace {

void check_inputs(Elementwise fn, int got) {
  if (row_of(fn).inputs != got) fail(name(fn), "takes ", row_of(fn).inputs, " inputs, got ", got);
}

void check_real(const char* who, const Tensor& x) {
  if (!x) fail(who, "got an empty tensor");
  if (x.dtype() == DType::int32) fail(who, "takes float32 or float64, got int32");
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

Tensor rebuilt_elementwise(const Op& op) {
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

}  // namespace backpass
