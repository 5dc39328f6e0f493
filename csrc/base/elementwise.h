// The list of elementwise functions: one name each, shared by the graph that differentiates them and the kernels that
// run them.
#pragma once

namespace backpass {

// out = f(a) or f(a, b), element by element; `alpha` is the function's one constant where it has one.
enum class Elementwise : unsigned char {
  // Unary: f(a).
  copy,
  negate,
  absolute,
  sign,  // -1, 0 or 1
  step,  // 1 where a > 0, else 0
  square,
  sqrt,
  reciprocal,
  exp,
  log,
  erf,
  scale,       // alpha * a
  shift,       // a + alpha
  relu,        // max(a, 0)
  leaky_relu,  // a where a > 0, else alpha * a
  sigmoid,
  tanh,
  gelu,       // a * Phi(a), Phi the normal distribution function
  gelu_tanh,  // a * sigmoid(u(a)), u(a) = 2 sqrt(2 / pi) (a + 0.044715 a^3)
  softplus,   // log(1 + exp(a)), without overflow
  elu,        // a where a > 0, else alpha * (exp(a) - 1)
  silu,       // a * sigmoid(a)
  mish,       // a * tanh(softplus(a))
  log_cosh,   // log(cosh(a)), without overflow or cancellation
  // Binary: f(a, b).
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  greater,  // 1 where a > b, else 0
  // Derivative pairs: a is the incoming gradient, b what the activation keeps for its backward pass.
  relu_grad,        // a where b > 0, else 0           (b: output)
  leaky_relu_grad,  // a where b > 0, else alpha * a   (b: input)
  sigmoid_grad,     // a * b * (1 - b)                 (b: output)
  tanh_grad,        // a * (1 - b * b)                 (b: output)
  gelu_grad,        // a * (Phi(b) + b * phi(b))       (b: input)
  gelu_tanh_grad,   // a * (s + b * s * (1 - s) * u'(b)), s = sigmoid(u(b))   (b: input)
  softplus_grad,    // a * sigmoid(b)                  (b: input)
  elu_grad,         // a where b > 0, else a * alpha * exp(b)                 (b: input)
  silu_grad,        // a * (s + b * s * (1 - s)), s = sigmoid(b)              (b: input)
  mish_grad,        // a * (t + b * (1 - t * t) * sigmoid(b)), t = tanh(softplus(b))   (b: input)
};

inline constexpr int kElementwiseCount = static_cast<int>(Elementwise::mish_grad) + 1;

constexpr bool is_binary(Elementwise fn) { return fn >= Elementwise::add; }

// Whether `alpha` means something to a function.
constexpr bool has_alpha(Elementwise fn) {
  return fn == Elementwise::scale || fn == Elementwise::shift || fn == Elementwise::leaky_relu ||
         fn == Elementwise::leaky_relu_grad || fn == Elementwise::elu || fn == Elementwise::elu_grad;
}

}  // namespace backpass
