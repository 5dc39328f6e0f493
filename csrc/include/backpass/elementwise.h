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
  // f(a, b).
  add,
  subtract,
  multiply,
  divide,
  maximum,
  minimum,
  greater,  // 1 where a > b, else 0
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
    {.fn = Elementwise::reciprocal, .name = "reciprocal"},
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
    {.fn = Elementwise::add, .name = "add", .inputs = 2},
    {.fn = Elementwise::subtract, .name = "subtract", .inputs = 2},
    {.fn = Elementwise::multiply, .name = "multiply", .inputs = 2},
    {.fn = Elementwise::divide, .name = "divide", .inputs = 2},
    {.fn = Elementwise::maximum, .name = "maximum", .inputs = 2, .doc = "The larger; ties send the gradient to `a`."},
    {.fn = Elementwise::minimum, .name = "minimum", .inputs = 2, .doc = "The smaller; ties send the gradient to `a`."},
    {.fn = Elementwise::greater, .name = "greater", .inputs = 2, .doc = "1 where a > b, else 0; derivative 0."},
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

// The layers without settings: see layers.h.
template <Elementwise fn>
struct ElementwiseLayer;
using ReLU = ElementwiseLayer<Elementwise::relu>;
using Sigmoid = ElementwiseLayer<Elementwise::sigmoid>;
using Tanh = ElementwiseLayer<Elementwise::tanh>;
using Softplus = ElementwiseLayer<Elementwise::softplus>;
using SiLU = ElementwiseLayer<Elementwise::silu>;
using Mish = ElementwiseLayer<Elementwise::mish>;

}  // namespace backpass
