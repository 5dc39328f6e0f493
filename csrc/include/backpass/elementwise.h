// Elementwise functions: one list, from which they get names, kernels, layers and documentation.
#pragma once

namespace backpass {

class Tensor;

// out = f(a) or f(a, b), element by element; `alpha` is the function's one constant where it has one.
enum class Elementwise : unsigned char {
  // f(a).
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
  rsqrt,      // 1 / sqrt(a)
  cbrt,
  exp2,   // 2^a
  expm1,  // exp(a) - 1, without loss where it is small
  log2,
  log10,
  log1p,  // log(1 + a), without loss where it is small
  sin,
  cos,
  tan,
  arcsin,
  arccos,
  arctan,
  sinh,
  cosh,
  erfc,         // 1 - erf(a), without loss where it is small
  lgamma,       // log |Gamma(a)|
  digamma,      // the derivative of lgamma
  polygamma,    // the derivative of digamma of order alpha; nan unless a > 0
  softsign,     // a / (1 + |a|)
  log_sigmoid,  // -softplus(-a)
  floor,
  ceil,
  round,  // ties to even
  trunc,
  isnan,  // 1 or 0, as the next
  isinf,
  isfinite,
  logical_not,  // 1 where a is 0, else 0
  // f(a, b).
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  greater,  // 1 where a > b, else 0
  equal,    // 1 or 0, as the next
  not_equal,
  less,
  less_equal,
  greater_equal,
  logical_and,  // of what is not 0
  logical_or,
  logical_xor,
  power,      // a^b
  arctan2,    // the angle of the point (b, a)
  hypot,      // sqrt(a^2 + b^2), without overflow
  logaddexp,  // log(exp(a) + exp(b)), without overflow
  mod,        // a - b floor(a / b)
  // Derivative pairs, for the core itself: a is the incoming gradient, b what the activation keeps for its backward
  // pass. The last entry stays the last.
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

struct ElementwiseRow {
  Elementwise fn;
  const char* name;
  int inputs = 1;
  bool choice = false;          // no gradient flows through it, and asking for one alone is an error
  const char* alpha = nullptr;  // its name, where the function has one
  double usual_alpha = 0;
  const char* weights_before = nullptr;  // of an activation: the initializer of weights before it
  const char* layer = nullptr;           // the layer without settings that applies it
  const char* doc = nullptr;             // of a function that Python has under this name
  const char* example = nullptr;         // what it makes of -1, 0 and 2, as NumPy prints it
};

// Glorot's before a function that squashes to a bounded range, He's before others.
inline constexpr const char *kHe = "he_uniform", *kGlorot = "glorot_uniform";

// clang-format off
inline constexpr ElementwiseRow kElementwise[] = {
    {.fn = Elementwise::copy, .name = "copy"},
    {.fn = Elementwise::negate, .name = "negate"},
    {.fn = Elementwise::absolute, .name = "abs", .doc = "|x|; derivative 0 at 0.", .example = "1., 0., 2."},
    {.fn = Elementwise::sign, .name = "sign", .doc = "-1, 0 or 1; derivative 0.", .example = "-1.,  0.,  1."},
    {.fn = Elementwise::step, .name = "step", .doc = "1 where x > 0, else 0; derivative 0.", .example = "0., 0., 1."},
    {.fn = Elementwise::square, .name = "square", .doc = "x^2.", .example = "1., 0., 4."},
    {.fn = Elementwise::sqrt, .name = "sqrt", .doc = "The square root."},
    {.fn = Elementwise::reciprocal, .name = "reciprocal", .doc = "1 / x."},
    {.fn = Elementwise::exp, .name = "exp", .doc = "e^x.", .example = "0.36787944, 1.        , 7.3890561 "},
    {.fn = Elementwise::log, .name = "log", .doc = "The natural logarithm."},
    {.fn = Elementwise::erf, .name = "erf",
     .doc = "The error function.", .example = "-0.84270079,  0.        ,  0.99532227"},
    {.fn = Elementwise::scale, .name = "scale", .alpha = "factor"},
    {.fn = Elementwise::shift, .name = "shift", .alpha = "term"},
    {.fn = Elementwise::relu, .name = "relu", .weights_before = kHe, .layer = "ReLU",
     .doc = "max(x, 0); derivative 0 at 0 (Nair and Hinton 2010).", .example = "0., 0., 2."},
    {.fn = Elementwise::leaky_relu, .name = "leaky_relu", .alpha = "slope", .usual_alpha = 0.01, .weights_before = kHe,
     .doc = "x where x > 0, else slope x (Maas et al. 2013).", .example = "-0.01,  0.  ,  2.  "},
    {.fn = Elementwise::sigmoid, .name = "sigmoid", .weights_before = kGlorot, .layer = "Sigmoid",
     .doc = "1 / (1 + exp(-x)), with derivative y (1 - y).", .example = "0.26894142, 0.5       , 0.88079708"},
    {.fn = Elementwise::tanh, .name = "tanh", .weights_before = kGlorot, .layer = "Tanh",
     .doc = "The hyperbolic tangent, with derivative 1 - y^2.", .example = "-0.76159416,  0.        ,  0.96402758"},
    {.fn = Elementwise::gelu, .name = "gelu", .weights_before = kHe},
    {.fn = Elementwise::gelu_tanh, .name = "gelu_tanh", .weights_before = kHe},
    {.fn = Elementwise::softplus, .name = "softplus", .weights_before = kHe, .layer = "Softplus",
     .doc = "log(1 + exp(x)), without overflow; its derivative is the sigmoid.", .example = "0.31326169, 0.69314718, 2.12692801"},
    {.fn = Elementwise::elu, .name = "elu", .alpha = "alpha", .usual_alpha = 1, .weights_before = kHe,
     .doc = "x where x > 0, else alpha (exp(x) - 1) (Clevert et al. 2016).",
     .example = "-0.63212056,  0.        ,  2.        "},
    {.fn = Elementwise::silu, .name = "silu", .weights_before = kHe, .layer = "SiLU",
     .doc = "x sigmoid(x), also called swish (Elfwing et al. 2018).",
     .example = "-0.26894142,  0.        ,  1.76159416"},
    {.fn = Elementwise::mish, .name = "mish", .weights_before = kHe, .layer = "Mish",
     .doc = "x tanh(softplus(x)) (Misra 2020).", .example = "-0.30340146,  0.        ,  1.94395896"},
    {.fn = Elementwise::log_cosh, .name = "log_cosh"},
    {.fn = Elementwise::rsqrt, .name = "rsqrt", .doc = "1 / sqrt(x)."},
    {.fn = Elementwise::cbrt, .name = "cbrt", .doc = "The cube root, of negative numbers too.",
     .example = "-1.        ,  0.        ,  1.25992105"},
    {.fn = Elementwise::exp2, .name = "exp2", .doc = "2^x.", .example = "0.5, 1. , 4. "},
    {.fn = Elementwise::expm1, .name = "expm1", .doc = "exp(x) - 1, without loss where it is small.",
     .example = "-0.63212056,  0.        ,  6.3890561 "},
    {.fn = Elementwise::log2, .name = "log2", .doc = "The logarithm to base 2."},
    {.fn = Elementwise::log10, .name = "log10", .doc = "The logarithm to base 10."},
    {.fn = Elementwise::log1p, .name = "log1p", .doc = "log(1 + x), without loss where x is small."},
    {.fn = Elementwise::sin, .name = "sin", .weights_before = kGlorot, .layer = "Sin",
     .doc = "The sine; an activation of networks for signals and their derivatives (Sitzmann et al. 2020).",
     .example = "-0.84147098,  0.        ,  0.90929743"},
    {.fn = Elementwise::cos, .name = "cos", .doc = "The cosine.", .example = " 0.54030231,  1.        , -0.41614684"},
    {.fn = Elementwise::tan, .name = "tan", .doc = "The tangent.",
     .example = "-1.55740772,  0.        , -2.18503986"},
    {.fn = Elementwise::arcsin, .name = "arcsin", .doc = "The angle in [-pi / 2, pi / 2] whose sine is x."},
    {.fn = Elementwise::arccos, .name = "arccos", .doc = "The angle in [0, pi] whose cosine is x."},
    {.fn = Elementwise::arctan, .name = "arctan", .doc = "The angle in [-pi / 2, pi / 2] whose tangent is x.",
     .example = "-0.78539816,  0.        ,  1.10714872"},
    {.fn = Elementwise::sinh, .name = "sinh", .doc = "The hyperbolic sine.",
     .example = "-1.17520119,  0.        ,  3.62686041"},
    {.fn = Elementwise::cosh, .name = "cosh", .doc = "The hyperbolic cosine.",
     .example = "1.54308063, 1.        , 3.76219569"},
    {.fn = Elementwise::erfc, .name = "erfc", .doc = "1 - erf(x), without loss where it is small.",
     .example = "1.84270079, 1.        , 0.00467773"},
    {.fn = Elementwise::lgamma, .name = "lgamma", .doc = "The logarithm of |Gamma(x)|; its derivative is `digamma`."},
    {.fn = Elementwise::digamma, .name = "digamma",
     .doc = "The derivative of `lgamma`; its own is `polygamma(1, x)`."},
    {.fn = Elementwise::polygamma, .name = "polygamma", .alpha = "order", .usual_alpha = 1},
    {.fn = Elementwise::softsign, .name = "softsign", .weights_before = kGlorot, .layer = "Softsign",
     .doc = "x / (1 + |x|) (Bergstra et al. 2009).", .example = "-0.5       ,  0.        ,  0.66666667"},
    {.fn = Elementwise::log_sigmoid, .name = "log_sigmoid", .weights_before = kHe, .layer = "LogSigmoid",
     .doc = "log(1 / (1 + exp(-x))), without overflow.", .example = "-1.31326169, -0.69314718, -0.12692801"},
    {.fn = Elementwise::floor, .name = "floor",
     .doc = "The greatest whole number that is not above x; derivative 0.", .example = "-1.,  0.,  2."},
    {.fn = Elementwise::ceil, .name = "ceil", .doc = "The least whole number that is not below x; derivative 0.",
     .example = "-1.,  0.,  2."},
    {.fn = Elementwise::round, .name = "round", .doc = "The nearest whole number, ties to even; derivative 0.",
     .example = "-1.,  0.,  2."},
    {.fn = Elementwise::trunc, .name = "trunc", .doc = "x without its fraction; derivative 0.",
     .example = "-1.,  0.,  2."},
    {.fn = Elementwise::isnan, .name = "isnan", .choice = true, .doc = "1 where x is not a number, else 0. A choice: no gradient.",
     .example = "0., 0., 0."},
    {.fn = Elementwise::isinf, .name = "isinf", .choice = true, .doc = "1 where x is infinite, else 0. A choice: no gradient.",
     .example = "0., 0., 0."},
    {.fn = Elementwise::isfinite, .name = "isfinite", .choice = true, .doc = "1 where x is finite, else 0. A choice: no gradient.",
     .example = "1., 1., 1."},
    {.fn = Elementwise::logical_not, .name = "logical_not", .choice = true, .doc = "1 where x is 0, else 0. A choice: no gradient.",
     .example = "0., 1., 0."},
    {.fn = Elementwise::add, .name = "add", .inputs = 2},
    {.fn = Elementwise::subtract, .name = "subtract", .inputs = 2},
    {.fn = Elementwise::multiply, .name = "multiply", .inputs = 2},
    {.fn = Elementwise::divide, .name = "divide", .inputs = 2},
    {.fn = Elementwise::maximum, .name = "maximum", .inputs = 2, .doc = "The larger; ties send the gradient to `a`."},
    {.fn = Elementwise::minimum, .name = "minimum", .inputs = 2, .doc = "The smaller; ties send the gradient to `a`."},
    {.fn = Elementwise::greater, .name = "greater", .inputs = 2, .choice = true, .doc = "1 where a > b, else 0. A choice: no gradient."},
    {.fn = Elementwise::equal, .name = "equal", .inputs = 2, .choice = true, .doc = "1 where a == b, else 0. A choice: no gradient."},
    {.fn = Elementwise::not_equal, .name = "not_equal", .inputs = 2, .choice = true,
     .doc = "1 where a != b, else 0. A choice: no gradient."},
    {.fn = Elementwise::less, .name = "less", .inputs = 2, .choice = true, .doc = "1 where a < b, else 0. A choice: no gradient."},
    {.fn = Elementwise::less_equal, .name = "less_equal", .inputs = 2, .choice = true,
     .doc = "1 where a <= b, else 0. A choice: no gradient."},
    {.fn = Elementwise::greater_equal, .name = "greater_equal", .inputs = 2, .choice = true,
     .doc = "1 where a >= b, else 0. A choice: no gradient."},
    {.fn = Elementwise::logical_and, .name = "logical_and", .inputs = 2, .choice = true,
     .doc = "1 where neither a nor b is 0, else 0. A choice: no gradient."},
    {.fn = Elementwise::logical_or, .name = "logical_or", .inputs = 2, .choice = true,
     .doc = "1 where a or b is not 0, else 0. A choice: no gradient."},
    {.fn = Elementwise::logical_xor, .name = "logical_xor", .inputs = 2, .choice = true,
     .doc = "1 where one of a and b is 0 and the other is not, else 0. A choice: no gradient."},
    {.fn = Elementwise::power, .name = "power", .inputs = 2},
    {.fn = Elementwise::arctan2, .name = "arctan2", .inputs = 2,
     .doc = "The angle of the point (b, a), in [-pi, pi]; derivative 0 at the origin."},
    {.fn = Elementwise::hypot, .name = "hypot", .inputs = 2,
     .doc = "sqrt(a^2 + b^2), without overflow; derivative 0 at the origin."},
    {.fn = Elementwise::logaddexp, .name = "logaddexp", .inputs = 2,
     .doc = "log(exp(a) + exp(b)), without overflow."},
    {.fn = Elementwise::mod, .name = "mod", .inputs = 2,
     .doc = "a - b floor(a / b), which has the sign of b, as % in Python."},
    {.fn = Elementwise::relu_grad, .name = "relu_grad", .inputs = 2},
    {.fn = Elementwise::leaky_relu_grad, .name = "leaky_relu_grad", .inputs = 2, .alpha = "slope"},
    {.fn = Elementwise::sigmoid_grad, .name = "sigmoid_grad", .inputs = 2},
    {.fn = Elementwise::tanh_grad, .name = "tanh_grad", .inputs = 2},
    {.fn = Elementwise::gelu_grad, .name = "gelu_grad", .inputs = 2},
    {.fn = Elementwise::gelu_tanh_grad, .name = "gelu_tanh_grad", .inputs = 2},
    {.fn = Elementwise::softplus_grad, .name = "softplus_grad", .inputs = 2},
    {.fn = Elementwise::elu_grad, .name = "elu_grad", .inputs = 2, .alpha = "alpha"},
    {.fn = Elementwise::silu_grad, .name = "silu_grad", .inputs = 2},
    {.fn = Elementwise::mish_grad, .name = "mish_grad", .inputs = 2},
};
// clang-format on

inline constexpr int kElementwiseCount = static_cast<int>(Elementwise::mish_grad) + 1;
static_assert(
    [] {
      int at = 0;
      for (const ElementwiseRow& row : kElementwise)
        if (row.fn != static_cast<Elementwise>(at++)) return false;
      return at == kElementwiseCount;
    }(),
    "one row for each function, in the order of Elementwise");
static_assert(
    [] {
      for (const ElementwiseRow& row : kElementwise)
        if (row.layer != nullptr && (row.weights_before == nullptr || row.doc == nullptr || row.example == nullptr))
          return false;
      return true;
    }(),
    "a function that is a layer is an activation, and documented");

constexpr const ElementwiseRow& row_of(Elementwise fn) { return kElementwise[static_cast<int>(fn)]; }
constexpr const char* name(Elementwise fn) { return row_of(fn).name; }
constexpr bool is_binary(Elementwise fn) { return row_of(fn).inputs == 2; }
constexpr bool is_choice(Elementwise fn) { return row_of(fn).choice; }
constexpr bool has_alpha(Elementwise fn) { return row_of(fn).alpha != nullptr; }

// Any of them; throws std::invalid_argument where it takes another number of arguments.
Tensor elementwise(Elementwise fn, const Tensor& a, double alpha = 0);
Tensor elementwise(Elementwise fn, const Tensor& a, const Tensor& b, double alpha = 0);  // broadcast as in NumPy

// By name, as their rows say.
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor step(const Tensor& x);
Tensor square(const Tensor& x);
Tensor sqrt(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor erf(const Tensor& x);
Tensor reciprocal(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor cbrt(const Tensor& x);
Tensor exp2(const Tensor& x);
Tensor expm1(const Tensor& x);
Tensor log2(const Tensor& x);
Tensor log10(const Tensor& x);
Tensor log1p(const Tensor& x);
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor tan(const Tensor& x);
Tensor arcsin(const Tensor& x);
Tensor arccos(const Tensor& x);
Tensor arctan(const Tensor& x);
Tensor sinh(const Tensor& x);
Tensor cosh(const Tensor& x);
Tensor erfc(const Tensor& x);
Tensor lgamma(const Tensor& x);
Tensor digamma(const Tensor& x);
Tensor softsign(const Tensor& x);
Tensor log_sigmoid(const Tensor& x);
Tensor floor(const Tensor& x);
Tensor ceil(const Tensor& x);
Tensor round(const Tensor& x);  // ties to even
Tensor trunc(const Tensor& x);
Tensor isnan(const Tensor& x);
Tensor isinf(const Tensor& x);
Tensor isfinite(const Tensor& x);
Tensor logical_not(const Tensor& x);
Tensor relu(const Tensor& x);
Tensor leaky_relu(const Tensor& x, double slope = 0.01);  // derivative at 0: slope
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor gelu(const Tensor& x);       // x Phi(x) (Hendrycks and Gimpel 2016)
Tensor gelu_tanh(const Tensor& x);  // its approximation x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
Tensor softplus(const Tensor& x);
Tensor elu(const Tensor& x, double alpha = 1);
Tensor silu(const Tensor& x);
Tensor mish(const Tensor& x);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor minimum(const Tensor& a, const Tensor& b);
Tensor greater(const Tensor& a, const Tensor& b);
Tensor equal(const Tensor& a, const Tensor& b);
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor less(const Tensor& a, const Tensor& b);
Tensor less_equal(const Tensor& a, const Tensor& b);
Tensor greater_equal(const Tensor& a, const Tensor& b);
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor logical_or(const Tensor& a, const Tensor& b);
Tensor logical_xor(const Tensor& a, const Tensor& b);
Tensor power(const Tensor& a, const Tensor& b);
Tensor arctan2(const Tensor& y, const Tensor& x);
Tensor hypot(const Tensor& a, const Tensor& b);
Tensor logaddexp(const Tensor& a, const Tensor& b);
Tensor mod(const Tensor& a, const Tensor& b);

// More than one of them.
Tensor power(const Tensor& x, double exponent);  // a whole exponent up to 64 by products
Tensor polygamma(int order, const Tensor& x);    // the derivative of digamma of an order from 0 to 16, where x > 0
// a where the condition is not 0, else b, broadcast as in NumPy: of what is not chosen neither value nor gradient
// counts, nan included.
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
// x within [low, high], or high where they cross; an empty tensor is no bound. The derivative at a bound is that of x.
Tensor clip(const Tensor& x, const Tensor& low, const Tensor& high);

// The layers without settings: see layers.h.
template <Elementwise fn>
struct ElementwiseLayer;
using ReLU = ElementwiseLayer<Elementwise::relu>;
using Sigmoid = ElementwiseLayer<Elementwise::sigmoid>;
using Tanh = ElementwiseLayer<Elementwise::tanh>;
using Softplus = ElementwiseLayer<Elementwise::softplus>;
using SiLU = ElementwiseLayer<Elementwise::silu>;
using Mish = ElementwiseLayer<Elementwise::mish>;
using Sin = ElementwiseLayer<Elementwise::sin>;
using Softsign = ElementwiseLayer<Elementwise::softsign>;
using LogSigmoid = ElementwiseLayer<Elementwise::log_sigmoid>;

}  // namespace backpass
