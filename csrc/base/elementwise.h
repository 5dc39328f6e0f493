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
  gelu,      // a * Phi(a), Phi the normal distribution function
  softplus,  // log(1 + exp(a)), without overflow
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
  softplus_grad,    // a * sigmoid(b)                  (b: input)
};

inline constexpr int kElementwiseCount = static_cast<int>(Elementwise::softplus_grad) + 1;

constexpr bool is_binary(Elementwise fn) { return fn >= Elementwise::add; }

}  // namespace backpass
